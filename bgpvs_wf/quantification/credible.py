"""Whether results can be: bounds on volumes, shape, place and signal, and what is beyond them.

The bounds and their sources are in `data/credible.toml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bgpvs_wf.anatomy.labels import NUCLEI, REGIONS
from bgpvs_wf.anatomy.sides import left_right_gap_mm
from bgpvs_wf.errors import NotCredibleError
from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.imaging.intensity import foreground
from bgpvs_wf.quantification import evidence
from bgpvs_wf.quantification.bounds import Bound, credible_table

ADVICE = "Look at the page before using any number."
_REMEDY = (
    "Check that it shows an infant's head, its voxel size, its orientation and the age, or give "
    "the nuclei with --anatomy derivatives."
)
_ANY_AGE = "any age from 30 weeks to 24 months"
_SHOWN = 3
"""So many nuclei are named in a sentence; of the others, how many they are."""
_COARSE_MM = 2.0
"""As fine as this is enough to tell where in the head the nuclei are (chosen)."""
_FAR_MM = 3.0
"""So far apart, signals differ in an image that is sharp enough (chosen)."""
_EXPECTED = {
    "Caudate": ("caudate",),
    "Putamen": ("putamen",),
    "Pallidum": ("pallidum",),
    "Accumbens-area": ("accumbens",),
    "Thalamus": ("thalamus",),
    "Lentiform": ("putamen", "pallidum"),
}
"""Structure to what the table calls it, or its parts."""
_BG = ("caudate", "putamen", "pallidum", "accumbens")


@dataclass(frozen=True)
class Finding:
    """Something about a result that is not credible."""

    sentence: str
    failure: bool = False
    """Whether it is absurd, rather than doubtful."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What is judged; all arrays have one shape (x, y, z)."""

    anatomy: np.ndarray
    """Harmonised labels."""
    bgpvs: np.ndarray
    """0 rest, 1 BG, 2 BG-PVS."""
    affine: np.ndarray
    """Voxel index to mm, RAS+."""
    images: Mapping[str, np.ndarray]
    """`T2w`, `T1w` or both, preprocessed, the home image first."""
    age_weeks: float | None = None
    """Post-menstrual age."""
    record: Mapping[str, Any] | None = None
    """What the prediction says of itself, where there is one."""
    given: bool = False
    """Whether people gave the labels, so that nothing fails for them."""


def judge(result: Result) -> tuple[Finding, ...]:
    """Return what is not credible about a result, failures first; empty is nothing.

    Parameters
    ----------
    result : Result

    Returns
    -------
    tuple of Finding
    """
    volumes = evidence.nucleus_volumes(result.anatomy, result.affine)
    checks: tuple[Iterator[Finding], ...] = (
        _bg_volume(result, volumes),
        _missing(result, volumes),
        _nucleus_volumes(result, volumes),
        _ratios(volumes),
        _sides(result),
        _place(result),
        _networks(result),
        _shape(result),
        _signals(result),
        _pvs(result),
    )
    found = [finding for check in checks for finding in check]
    if result.given:
        found = [Finding(finding.sentence) for finding in found]
    return tuple(sorted(found, key=lambda finding: not finding.failure))


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
    absurd = [finding.sentence for finding in findings if finding.failure]
    if absurd:
        raise NotCredibleError(
            f"{source} gave a result that cannot be. {' '.join(absurd[:_SHOWN])} {_REMEDY}"
        )
    return doubts_of(findings)


_Volumes = Mapping[str, Mapping[str, float]]


def _bg_volume(result: Result, volumes: _Volumes) -> Iterator[Finding]:
    total = sum(sum(v.values()) for name, v in volumes.items() if name != "Thalamus")
    bound = credible_table().bounds["bg_volume"]
    least, largest = credible_table().expected_mm3(_BG, result.age_weeks)
    wide = Bound(
        bound.fail_below * least,
        bound.doubt_below * least,
        bound.doubt_above * largest,
        bound.fail_above * largest,
    )
    if wide.beyond(total):
        yield Finding(
            f"The basal ganglia have {total:.0f} mm3, where {_round(wide.doubt_below)} to "
            f"{_round(wide.doubt_above)} are credible at {_age(result.age_weeks)}.",
            wide.absurd(total),
        )


def _missing(result: Result, volumes: _Volumes) -> Iterator[Finding]:
    unsure = credible_table().bounds["sureness"].beyond(_number(result, "nuclei_sureness"))
    lentiform = ("Lentiform",) if "Lentiform" in volumes else ("Putamen", "Pallidum")
    # Sources of labels may lack the thalamus or the accumbens; the model knows both.
    for name in ("Caudate", *lentiform):
        if name not in volumes:
            yield Finding(f"No {name.lower()} is found on either side.")
    for name, sides in volumes.items():
        for side, volume in sides.items():
            if volume == 0:
                yield Finding(f"No {side} {_called(name)} is found.", unsure)


def _nucleus_volumes(result: Result, volumes: _Volumes) -> Iterator[Finding]:
    table = credible_table()
    strange = []
    for name, sides in volumes.items():
        if "Lentiform" in volumes and name in ("Putamen", "Pallidum"):
            continue  # a source that has both divides them in its own way
        bound = table.bounds[f"{'accumbens' if name.startswith('Acc') else 'nucleus'}_volume"]
        least, largest = (v / 2 for v in table.expected_mm3(_EXPECTED[name], result.age_weeks))
        low, high = bound.doubt_below * least, bound.doubt_above * largest
        strange += [
            f"{side} {_called(name)} {volume:.0f} mm3 ({_round(low)} to {_round(high)})"
            for side, volume in sides.items()
            if volume > 0 and not low <= volume <= high
        ]
    if strange:
        yield Finding(
            f"Nuclei have volumes that are not credible at {_age(result.age_weeks)}: "
            f"{_some(strange)}."
        )


def _ratios(volumes: _Volumes) -> Iterator[Finding]:
    bounds = credible_table().bounds
    bg = {
        side: sum(v[side] for name, v in volumes.items() if name != "Thalamus")
        for side in ("left", "right")
    }
    strange, failure = [], False
    for name, sides in {"basal ganglia": bg, **volumes}.items():
        kind = "bg" if sides is bg else "accumbens" if name.startswith("Acc") else "nucleus"
        least, largest = min(sides.values()), max(sides.values())
        if least == 0:
            continue  # said already
        if bounds[f"{kind}_ratio"].beyond(largest / least):
            strange.append(f"{_called(name)} {sides['left']:.0f} and {sides['right']:.0f} mm3")
            failure |= bounds[f"{kind}_ratio"].absurd(largest / least)
    if strange:
        yield Finding(f"Left and right differ more than is credible: {_some(strange)}.", failure)


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
    overlap = evidence.mirror_overlap(result.anatomy, result.affine)
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
    inside, away = evidence.position(result.anatomy[part], foreground(image), affine)
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
    "bg_probability": (
        "bg_mean_probability",
        lambda v: f"The model is not sure of what is basal ganglia (probability {v:.2f})",
    ),
}
"""Bound to the entry of the record and the sentence."""


def _networks(result: Result) -> Iterator[Finding]:
    for name, (key, sentence) in _NETWORKS.items():
        bound, value = credible_table().bounds[name], _number(result, key)
        if bound.beyond(value):
            yield Finding(f"{sentence(value)}.", bound.absurd(value))


def _shape(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    strange = []
    for label in NUCLEI:
        mask = result.anatomy == label
        if not mask.any():
            continue
        scattered = bounds["largest_part"].beyond(evidence.largest_part(mask))
        if scattered or bounds["stretch"].beyond(evidence.stretch(mask, result.affine)):
            name = REGIONS[label].name.replace("-area", "").replace("-", " ").lower()
            strange.append(f"{name} ({'in pieces' if scattered else 'drawn out'})")
    if strange:
        yield Finding(f"Nuclei do not have a nucleus' shape: {_some(strange)}.")


def _signals(result: Result) -> Iterator[Finding]:
    bounds = credible_table().bounds
    varieties = [evidence.variety(image, result.anatomy) for image in result.images.values()]
    known = [value for value in varieties if math.isfinite(value)]
    if known and bounds["variety"].beyond(max(known)):
        yield Finding("Caudate, putamen and pallidum do not differ in their signal.")
    for name, image in result.images.items():
        fluid = evidence.fluid_ratio(image, result.anatomy)
        if bounds[f"fluid_{name.lower()}"].beyond(fluid):
            what = "brighter" if name == "T2w" else "darker"
            yield Finding(f"On the {name} the ventricles are not {what} than the basal ganglia.")
        uneven = evidence.side_contrast(image, result.anatomy, result.affine)
        if bounds["side_contrast"].beyond(uneven):
            yield Finding(
                f"On the {name} nuclei stand out from what is around them on one side otherwise "
                f"than on the other (by {100 * uneven:.0f} %)."
            )
        head = foreground(image)
        least = min(evidence.coherence(image, head))
        far = [max(1, round(_FAR_MM / size)) for size in voxel_sizes(result.affine)]
        blurred = max(evidence.coherence(image, head, (far[0], far[1], far[2])))
        if bounds["blur"].beyond(blurred):
            yield Finding(
                f"The {name} is blurred: what lies {_FAR_MM:g} mm apart has almost the same signal."
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


def _number(result: Result, key: str) -> float:
    """Return a number of the record; NaN where there is none."""
    return float((result.record or {}).get(key, math.nan))


def _some(texts: Sequence[str]) -> str:
    """Name the first of several.

    Examples
    --------
    >>> _some(["a", "b", "c", "d", "e"])
    'a, b, c, and 2 more'
    """
    rest = len(texts) - _SHOWN
    return ", ".join([*texts[:_SHOWN], *([f"and {rest} more"] if rest > 0 else [])])


def _called(structure: str) -> str:
    return structure.removesuffix("-area").lower()


def _age(age_weeks: float | None) -> str:
    return _ANY_AGE if age_weeks is None else f"{age_weeks:.0f} weeks"


def _round(mm3: float) -> str:
    """Round to two digits.

    Examples
    --------
    >>> _round(7123.4), _round(48.9)
    ('7100', '49')
    """
    return f"{float(f'{mm3:.1e}'):.0f}"
