"""Whether results can be: bounds on volumes, shape, place and signal, and what is beyond them.

The bounds and their sources are in `data/credible.toml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from bgpvs_wf.anatomy.labels import CAUDATE_LABELS, NUCLEI, REGIONS, VENTRICLE_LABELS
from bgpvs_wf.anatomy.sides import left_right_gap_mm
from bgpvs_wf.bids.ages import AGE_LIMITS_WEEKS
from bgpvs_wf.errors import NotCredibleError
from bgpvs_wf.imaging.geometry import bounding_box, crop_affine, voxel_sizes
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.quantification import plausibility
from bgpvs_wf.quantification.bounds import SHOWN, Finding, Result, credible_table, some_of
from bgpvs_wf.quantification.credible_volumes import check_volumes

ADVICE = "Look at the page before using any number."
_REMEDY = (
    "Check that it shows an infant's head, its voxel size, its orientation and the age, or give "
    "the nuclei with --anatomy derivatives."
)
_COARSE_MM = 2.0
"""As fine as this is enough to tell where in the head the nuclei are (chosen)."""
_MARGIN_MM = 8.0
"""So far around the nuclei their signals are looked at (chosen)."""
_FAR_MM = 3.0
"""So far apart, signals differ in an image that is sharp enough (chosen)."""


def judge(result: Result) -> tuple[Finding, ...]:
    """Return what is not credible about a result, failures first; empty is nothing.

    Parameters
    ----------
    result : Result

    Returns
    -------
    tuple of Finding
    """
    near = _near(result)
    checks: tuple[Iterator[Finding], ...] = (
        _age(result),
        check_volumes(result),
        _sides(near),
        _place(result),
        _networks(result),
        _shape(near),
        _signals(near),
        _scans(result),
        _pvs(result),
    )
    found = [finding for check in checks for finding in check]
    if result.given:
        found = [Finding(finding.sentence) for finding in found]
    return tuple(sorted(found, key=lambda finding: not finding.failure))


def _near(result: Result) -> Result:
    """Cut a result to its nuclei and ventricles and what is around them."""
    mask = np.isin(result.anatomy, (*NUCLEI, *VENTRICLE_LABELS))
    if not mask.any():
        return result
    box = bounding_box(mask, result.affine, _MARGIN_MM)
    return replace(
        result,
        anatomy=np.ascontiguousarray(result.anatomy[box]),
        bgpvs=result.bgpvs[box],
        affine=crop_affine(result.affine, box),
        images={name: np.ascontiguousarray(i[box]) for name, i in result.images.items()},
    )


def doubts_of(findings: tuple[Finding, ...]) -> list[str]:
    """Return the sentences of findings, what to do after the last."""
    sentences = [finding.sentence for finding in findings]
    return [*sentences[:-1], f"{sentences[-1]} {ADVICE}"] if sentences else []


def require_credible(findings: tuple[Finding, ...], *, source: str) -> list[str]:
    """Return what is doubtful in words, or refuse what is absurd.

    Parameters
    ----------
    findings : tuple of Finding
    source : str
        What was measured, for the message.

    Raises
    ------
    NotCredibleError
        If there is a failure among the findings.
    """
    if any(finding.failure for finding in findings):
        # What fails comes first; what is doubtful besides helps to see why.
        sentences = [finding.sentence for finding in findings[:SHOWN]]
        raise NotCredibleError(
            f"{source} gave a result that cannot be. {' '.join(sentences)} {_REMEDY}"
        )
    return doubts_of(findings)


def _age(result: Result) -> Iterator[Finding]:
    low, high = AGE_LIMITS_WEEKS
    if result.age_weeks is not None and not low <= result.age_weeks <= high:
        yield Finding(
            f"{result.age_weeks:.0f} post-menstrual weeks is no age that the program is made for "
            f"({low:.0f} to {high:.0f} weeks); check the age and its unit."
        )


def _sides(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    gap = left_right_gap_mm(result.anatomy, result.affine)
    if gap is None:
        return
    told = (result.record or {}).get("sides_against_header")
    if told:
        gap = -gap  # the anatomy contradicts the header, which was noticed and said
    if bounds["side_gap_mm"].absurd(gap):
        # A registration that turned the header round says so itself.
        yield Finding("The left nuclei lie to the right of the right ones.", told is not None)
    elif bounds["side_gap_mm"].beyond(gap):
        low, high = bounds["side_gap_mm"].doubt_below, bounds["side_gap_mm"].doubt_above
        yield Finding(
            f"The right nuclei lie {gap:.0f} mm to the right of the left ones, where {low:.0f} to "
            f"{high:.0f} are credible."
        )
    overlap = plausibility.mirror_overlap(result.anatomy, result.affine)
    if bounds["mirror"].beyond(overlap):
        yield Finding(
            "The basal ganglia of one side are no mirror image of the other's (Dice "
            f"{overlap:.2f}, where {bounds['mirror'].doubt_below:g} is the least that is credible)."
        )


def _place(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    step = [max(1, int(_COARSE_MM / size)) for size in voxel_sizes(result.affine)]
    part = tuple(slice(None, None, n) for n in step)
    image = next(iter(result.images.values()))[part]
    affine = result.affine @ np.diag([*step, 1.0])
    inside, away = plausibility.position(result.anatomy[part], foreground(image), affine)
    if bounds["inside_head"].beyond(inside):
        yield Finding(
            f"{100 * (1 - inside):.0f} % of the nuclei lie outside of the head.",
            bounds["inside_head"].absurd(inside),
        )
    if bounds["away"].beyond(away):
        yield Finding(
            f"The nuclei lie {100 * away:.0f} % of the way from the middle of the head to its "
            "surface, instead of near the middle."
        )


_NETWORKS: dict[str, tuple[str, Callable[[float], str]]] = {
    "sureness": (
        "nuclei_sureness",
        lambda v: f"The model is not sure of where the nuclei are (probability {v:.2f})",
    ),
    "outside_hull": (
        "nuclei_outside_of_hull",
        lambda v: f"The model's two networks disagree on where {100 * v:.0f} % of the nuclei are",
    ),
    "head_sureness": (
        "head_sureness",
        lambda v: f"Seen in the whole head, the nuclei are not sure (probability {v:.2f})",
    ),
    "hulls_apart_mm": (
        "hulls_apart_mm",
        lambda v: f"Seen in the whole head, the nuclei are {v:.0f} mm from where they were found",
    ),
    "hulls_volume_ratio": (
        "hulls_volume_ratio",
        lambda v: f"The nuclei found have {v:.1f} times the volume that is seen in the whole head",
    ),
    "share_of_brain": (
        "bg_share_of_brain",
        lambda v: f"The basal ganglia have {100 * v:.1f} % of the volume of the brain",
    ),
    "bg_probability": (
        "bg_mean_probability",
        lambda v: f"The model is not sure of what is basal ganglia (probability {v:.2f})",
    ),
}
"""Bound to the entry of the record and the sentence."""


def _networks(result: Result) -> Iterator[Finding]:
    for name, (key, sentence) in _NETWORKS.items():
        bound, value = credible_table().bounds[name], result.said(key)
        if bound.beyond(value):
            yield Finding(f"{sentence(value)}.", bound.absurd(value))


def _shape(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    strange = []
    for label in NUCLEI:
        mask = result.anatomy == label
        if not mask.any():
            continue
        scattered = bounds["largest_part"].beyond(plausibility.largest_part(mask))
        longest = bounds["caudate_stretch" if label in CAUDATE_LABELS else "stretch"]
        if scattered or longest.beyond(plausibility.stretch(mask, result.affine)):
            name = REGIONS[label].name.replace("-area", "").replace("-", " ").lower()
            strange.append(f"{name} ({'in pieces' if scattered else 'drawn out'})")
    if strange:
        yield Finding(f"Nuclei do not have a nucleus' shape: {some_of(strange)}.")


def _signals(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    varieties = [plausibility.variety(image, result.anatomy) for image in result.images.values()]
    known = [value for value in varieties if math.isfinite(value)]
    if known and bounds["variety"].beyond(max(known)):
        yield Finding("Caudate, putamen and pallidum do not differ in their signal.")
    for name, image in result.images.items():
        fluid = plausibility.fluid_ratio(image, result.anatomy)
        if bounds[f"fluid_{name.lower()}"].beyond(fluid):
            what = "brighter" if name == "T2w" else "darker"
            yield Finding(f"On the {name} the ventricles are not {what} than the basal ganglia.")
        uneven = plausibility.side_contrast(image, result.anatomy, result.affine)
        if bounds["side_contrast"].beyond(uneven):
            yield Finding(
                f"On the {name} nuclei stand out from what is around them on one side otherwise "
                f"than on the other (by {100 * uneven:.0f} %)."
            )


def _scans(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    for name, image in result.images.items():
        head = foreground(image)
        least = min(plausibility.coherence(image, head))
        far = [max(1, round(_FAR_MM / size)) for size in voxel_sizes(result.affine)]
        blurred = max(plausibility.coherence(image, head, (far[0], far[1], far[2])))
        if bounds["blur"].beyond(blurred):
            yield Finding(
                f"The {name} is blurred: what lies {_FAR_MM:g} mm apart has almost the same signal."
            )
        thick = plausibility.slice_mm(image, head, result.affine)
        if bounds["slice_mm"].beyond(thick):
            yield Finding(
                f"Slices of the {name} are repeated: its resolution is {thick:.0f} mm, which shows "
                "no border of a nucleus."
            )
        if bounds["coherence"].beyond(least):
            yield Finding(
                f"Neighbouring slices of the {name} hardly resemble each other (correlation "
                f"{least:.2f}), as in noise."
            )


def _pvs(result: Result) -> Iterator[Finding]:
    inside = int((result.bgpvs > 0).sum())
    share = int((result.bgpvs == 2).sum()) / inside if inside else float("nan")
    bound = credible_table().bounds["pvs_share"]
    if bound.beyond(share):
        yield Finding(
            f"Perivascular spaces take {100 * share:.0f} % of the basal ganglia, where "
            f"{100 * bound.doubt_above:.0f} % are the most that is credible.",
            bound.absurd(share),
        )
