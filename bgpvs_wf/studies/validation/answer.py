"""What a validation found, in words and pictures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bgpvs_wf.engine.record import changes_since, describe, write_record
from bgpvs_wf.evaluation.multi_cohort import HYBRIDS_NOTE, counted, scan_of
from bgpvs_wf.evaluation.score_tables import PVS, TUBE_VOLUME
from bgpvs_wf.evaluation.smallest import LEAST_INFANTS, smallest_detected
from bgpvs_wf.studies.datasets.sources import evaluated_files
from bgpvs_wf.studies.observer import Observer

if TYPE_CHECKING:
    import pandas as pd

    from bgpvs_wf.evaluation.score_tables import EvaluationTables
    from bgpvs_wf.studies.validation.plan import Plan

PAGE = "validation.html"
_MADE_FROM = "made_from.json"
_METHOD = "bgpvs-wf"
_PROBABILITIES = {"50 %": 0.5, "90 %": 0.9}
_MEASURES = {TUBE_VOLUME: "mm3", "PVS volume": "mm3", "PVS count": ""}


class Smallest(NamedTuple):
    """The smallest diameter that is seen with some probability, mm."""

    interval: tuple[float, float, float]
    """The diameter and its 95 % interval; NaN where there is none."""
    note: str

    def __str__(self) -> str:
        diameter, low, high = self.interval
        if diameter != diameter:
            return f"not known, {self.note}"
        known = f"95 % interval {low:.2f} to {high:.2f} mm" if low == low else ""
        return f"{diameter:.2f} mm ({'; '.join(filter(None, (known, self.note)))})"


def find_answer(
    plan: Plan,
    scans: int,
    given: bool,
    left_out: Sequence[str],
    unfinished: Sequence[str],
    observer: Observer,
) -> dict[str, Any]:
    """Score and write the page, unless nothing changed since; return what was found."""
    note = plan.out / _MADE_FROM
    facts = {"scans": scans, "left_out": list(left_out), "unfinished": sorted(unfinished)}
    made_from = describe(
        {"seed": plan.seed, "given": given}, facts, evaluated_files([plan.truth, plan.results])
    )
    reasons, found = changes_since(note, made_from, {"answer": [str, ...], "problems": [str, ...]})
    if reasons or not (plan.out / PAGE).is_file():
        observer.say("Scoring ...")
        note.unlink(missing_ok=True)  # it is not to outlive what it stands for
        found = _score(plan, scans, given, left_out, unfinished)
        write_record(made_from, note, found)
    return dict(found)


def _score(
    plan: Plan, scans: int, given: bool, left_out: Sequence[str], unfinished: Sequence[str]
) -> dict[str, Any]:
    from bgpvs_wf.evaluation import evaluate, write_tables
    from bgpvs_wf.evaluation.multi_cohort import without_unfinished
    from bgpvs_wf.evaluation.smallest import smallest_table
    from bgpvs_wf.reports.validation_page import write_validation_page

    tables = evaluate(plan.truth, {_METHOD: plan.results}, seed=plan.seed)
    tables = without_unfinished(tables, {_METHOD: unfinished}, plan.seed)
    per_scan = smallest_table(by_scan(tables.tubes), seed=plan.seed)
    tables = dataclasses.replace(tables, smallest=per_scan)
    write_tables(tables, plan.out)
    diameters = smallest(tables.tubes, plan.seed)
    write_validation_page(
        tables,
        plan.out,
        title=f"Validation on {plan.bids_dir.name}",
        smallest={name: found.interval for name, found in diameters.items()},
        notes=[
            *notes(tables, scans, diameters, plan, given=given),
            *(f"Left out: {line}" for line in left_out),
        ],
        pictures=pictures(tables.cases, plan.hybrids, plan.truth, plan.results),
    )
    return {"answer": answer_lines(tables, scans, diameters), "problems": list(tables.problems)}


def by_scan(tubes: pd.DataFrame) -> pd.DataFrame:
    """Return the tubes with the scan of each for its subject: hybrids are resampled with it."""
    return tubes.assign(subject=[scan_of(label) for label in tubes["subject"]])


def smallest(tubes: pd.DataFrame, seed: int) -> dict[str, Smallest]:
    """Return "50 %" and "90 %" to the smallest diameter seen so often, over all tubes."""
    tubes = by_scan(tubes)
    known = tubes[np.isfinite(tubes["diameter_mm"].astype(float))]
    found = {}
    for name, probability in _PROBABILITIES.items():
        row = smallest_detected(known, probability, seed=seed)
        interval = (row["diameter_mm"], row["ci_low_mm"], row["ci_high_mm"])
        found[name] = Smallest(interval, row["note"])
    return found


def answer_lines(
    tables: EvaluationTables, scans: int, diameters: Mapping[str, Smallest]
) -> list[str]:
    """Return the answer for the terminal."""
    voxels = sorted({f"{size:.2f}" for size in tables.tubes["voxel_mm"].dropna()})
    return [
        f"{_hybrids(tables, scans)}, {len(tables.tubes)} tubes, voxels of {', '.join(voxels)} mm",
        *(f"Smallest PVS seen {name} of the time: {text}" for name, text in diameters.items()),
        *_errors(tables),
        *_dice(tables),
        *_too_few(scans, diameters),
        *_dependent(tables, scans),
    ]


def notes(
    tables: EvaluationTables,
    scans: int,
    diameters: Mapping[str, Smallest],
    plan: Plan,
    *,
    given: bool,
) -> list[str]:
    """Return what to keep in mind, a line each.

    Parameters
    ----------
    tables : EvaluationTables
    scans : int
        That tubes were put into.
    diameters : mapping of str to Smallest
    plan : Plan
        What was put in.
    given : bool
        Whether the nuclei were.
    """
    low, high = plan.diameters_mm
    faint, bright = (round(100 * end) for end in plan.fill)
    return [
        f"Tubes of known size were put into real scans: {_hybrids(tables, scans)}.",
        *_too_few(scans, diameters),
        *_dependent(tables, scans),
        "Seen means that a quarter or more of a tube's voxels were found.",
        f"Diameters are spread evenly from {low:g} to {high:g} mm, so that every size is tried. In "
        "infants most PVS are thin: bias and Dice here are those of the even mixture.",
        "Voxels that may be PVS of the scans' own are left out of all scores.",
        f"The signal of what fills the tubes is {faint} to {bright} % of the way from tissue to "
        "fluid, alike in a hybrid: PVS of infants differ so. Faint ones are seen less often.",
        "The nuclei were given, so nothing is said of how well the pipeline finds them."
        if given
        else "The pipeline found the nuclei by itself, in each scan with tubes anew.",
    ]


def pictures(
    cases: pd.DataFrame, hybrids: Path, truth: Path, results: Path
) -> list[tuple[str, bytes]]:
    """Draw the cases of the lowest, middle and highest PVS Dice: what was put in, what was found.

    Parameters
    ----------
    cases : DataFrame
        Of `EvaluationTables`.
    hybrids, truth, results : Path
        The scans, what is true of them, and what was made of them.

    Returns
    -------
    list of tuple
        Caption and PNG file.
    """
    scored = cases[(cases["structure"] == PVS) & cases["dice"].notna()]
    scored = scored.sort_values(["dice", "subject"])
    at = sorted({0, (len(scored) - 1) // 2, len(scored) - 1} & set(range(len(scored))))
    drawn = []
    for row in scored.iloc[at].to_dict("records"):
        stem = f"sub-{row['subject']}"
        found = results / stem / "anat" / f"{stem}_desc-bgpvs_dseg.nii.gz"
        known = truth / stem / "anat" / f"{stem}_desc-bgpvs_dseg.nii.gz"
        scan = f"{stem}, PVS Dice {row['dice']:.2f}"
        drawn += [
            (f"{scan}: put in", _overlay(hybrids, stem, truth, known)),
            (f"{scan}: found", _overlay(hybrids, stem, truth, found)),
        ]
    return drawn


def _overlay(hybrids: Path, stem: str, truth: Path, bgpvs: Path) -> bytes:
    import nibabel as nib

    from bgpvs_wf.reports.figures import overlay_figure

    def true(name: str) -> Any:
        return np.asanyarray(nib.load(truth / stem / "anat" / f"{stem}_{name}.nii.gz").dataobj)

    scans = {name: hybrids / stem / "anat" / f"{stem}_{name}.nii.gz" for name in ("T2w", "T1w")}
    name = "T2w" if scans["T2w"].is_file() else "T1w"
    image = nib.load(scans[name])
    labels = np.array(nib.load(bgpvs).dataobj)
    labels[true("desc-ignore_mask") > 0] = 0  # as in the scores
    return overlay_figure(
        np.asanyarray(image.dataobj),
        image.affine,
        nuclei=true("desc-anatomy_dseg"),
        bgpvs=labels,
        name=name,
    )


def _hybrids(tables: EvaluationTables, scans: int) -> str:
    return f"{counted(_number(tables), 'hybrid')} of {counted(scans, 'scan')}"


def _number(tables: EvaluationTables) -> int:
    return len(tables.cases[["subject", "session"]].drop_duplicates())


def _dependent(tables: EvaluationTables, scans: int) -> list[str]:
    """Return what hybrids that share a scan do to intervals."""
    if _number(tables) <= scans:
        return []
    whole = " Those of the smallest diameters alone are over whole scans."
    return [HYBRIDS_NOTE + (whole if scans >= LEAST_INFANTS else "")]


def _too_few(scans: int, diameters: Mapping[str, Smallest]) -> list[str]:
    """Return what more scans and cases would tell."""
    lines = []
    if any(math.isnan(found.interval[1]) for found in diameters.values()):
        lines.append("There are too few tubes for an interval; give more --cases, or more scans.")
    if scans < LEAST_INFANTS:
        lines.append(
            f"All rests on {counted(scans, 'scan')}: intervals say how sure the figures are there, "
            "not how other infants differ."
        )
    return lines


def _errors(tables: EvaluationTables) -> list[str]:
    """Return bias and limits of agreement of volume and count, per scan."""
    rows = tables.agreement.set_index("measure")
    lines = []
    for measure, unit in _MEASURES.items():
        if measure not in rows.index:
            continue
        row = rows.loc[measure]
        low, high = row["loa_low"], row["loa_high"]
        limits = f" (limits of agreement {low:+.1f} to {high:+.1f})" if low == low else ""
        lines.append(f"{measure}, bias per scan: {row['bias']:+.1f} {unit}".rstrip() + limits)
    return lines


def _dice(tables: EvaluationTables) -> list[str]:
    summary = tables.summary
    row = summary[(summary["structure"] == PVS) & (summary["metric"] == "dice")]
    if not len(row) or row["mean"].isna().all():
        return []
    mean, sd = row[["mean", "sd"]].iloc[0]
    return [f"PVS Dice: {mean:.2f}" + (f" ± {sd:.2f}" if sd == sd else "")]
