"""A trained model becomes a bundle: weights, metadata, model card, curves and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.imaging.files import write_json, write_table, write_text
from bgpvs_wf.learning.inference.ensemble import Member
from bgpvs_wf.learning.models.bundle import write_bundle
from bgpvs_wf.learning.training.assessment import Assessment

if TYPE_CHECKING:
    from bgpvs_wf.learning.models.bundle import Trained

CURVES, SCORES, TRAINING = "docs/curves.svg", "docs/held_out.tsv", "configs/training.json"


def write_model(
    folder: Path,
    *,
    recipe: Mapping[str, Any],
    coarse: Trained,
    head: tuple[Trained, Trained] | None = None,
    members: Sequence[Member],
    assessment: Assessment,
    trainings: Mapping[str, Any],
    curves: str,
    n_cases: int,
) -> Path:
    """Write a model with all that is to be known of it.

    Parameters
    ----------
    folder : Path
        Where it goes; a model that is there is replaced.
    recipe : mapping
        See `bgpvs_wf.learning.training.recipe.to_mapping`.
    coarse : tuple of NetworkConfig and state dict
    head : pair of such tuples, optional
        Both networks for whole heads.
    members : sequence of members
    assessment : Assessment
    trainings : mapping of str to mapping
        Name of a training to its losses and scores.
    curves : str
        The same as SVG.
    n_cases : int
        Cases it was trained on.
    """

    def fill(work: Path) -> None:
        write_json({"recipe": dict(recipe), "trainings": dict(trainings)}, work / TRAINING)
        write_table(assessment.cases.round(4), work / SCORES)
        write_text(curves, work / CURVES)

    model = write_bundle(
        folder,
        name=recipe["name"],
        strategy=recipe["strategy"],
        coarse=coarse,
        head=head,
        fine=[
            [(config, network.state_dict()) for config, network in member.networks]
            for member in members
        ],
        pvs_threshold=assessment.pvs_threshold,
        tube_volume_margin=assessment.tube_volume_margin,
        card=model_card(recipe, assessment, n_cases),
        facts={"data_source": ", ".join(recipe["cohorts"])},
        caution=recipe.get("caution", ""),
        fill=fill,
    )
    return model.folder


def model_card(recipe: Mapping[str, Any], assessment: Assessment, n_cases: int) -> str:
    """Return the model card, Markdown."""
    lines = [
        f"# {recipe['name']}",
        "",
        "Segments the basal ganglia (caudate, putamen, pallidum, accumbens), the thalamus and the",
        "perivascular spaces in the basal ganglia, in T2w and T1w scans of infants at 3 T; either",
        "may be missing. Research software, not a medical device.",
        "",
        "## Training data",
        "",
        f"{n_cases} scans, strategy `{recipe['strategy']}`:",
        "",
        "| cohort | infants | labels |",
        "|---|---|---|",
        *(
            f"| {name} | {cohort['infants']} | {cohort['labels']} |"
            for name, cohort in recipe["cohorts"].items()
        ),
        "",
        *_heads(recipe),
        "## Accuracy on scans held out from training",
        "",
    ]
    cases = assessment.cases
    if cases.empty:
        lines += ["None were held out."]
    else:
        lines += [
            f"{len(cases)} scans of the same cohorts; the fine network told where the nuclei are,",
            f"roughly, labels as learnt: Dice of the BG {_spread(cases['bg_dice'])}, of PVS",
            f"{_spread(cases['pvs_dice'])} (mean, standard deviation). The probability of PVS was",
            "calibrated on them; its expected calibration error there, from 0.1 on, is",
            f"{assessment.calibration_error:.3f}.",
        ]
    lines += [
        "",
        f"A voxel is PVS from a probability of {assessment.pvs_threshold:g} on"
        + f", chosen on {'some of those learnt from' if cases.empty else 'the same scans'}.",
        "",
        "## Limits",
        "",
        *([recipe.get("caution", ""), ""] if recipe.get("caution", "") else []),
        "It knows what it was trained on. Scanners, ages and diseases beyond that: look at the",
        "pages before believing the numbers (`bgpvs-wf validate` tells what it finds in your",
        "scans).",
    ]
    return "\n".join(lines)


def _heads(recipe: Mapping[str, Any]) -> list[str]:
    """Return what the network for whole heads learnt from, if it was trained here."""
    head = recipe.get("head", {})
    if not head.get("maps"):
        return []
    without = f", without {', '.join(head['without'])}" if head["without"] else ""
    return [
        "The networks that find the brain in a whole head learnt from painted heads, after the",
        f"label maps in `{head['maps']}`{without}.",
        "",
    ]


def _spread(values: Any) -> str:
    return f"{values.mean():.3f} ({values.std(ddof=0):.3f})"
