"""Whether the volumes of the nuclei can be: for the age, and of left and right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bgpvs_wf.quantification import plausibility
from bgpvs_wf.quantification.bounds import Bound, Finding, Result, credible_table, some_of

_ANY_AGE = "any age from 30 weeks to 24 months"
_EXPECTED = {
    "Caudate": ("caudate",),
    "Putamen": ("putamen",),
    "Pallidum": ("pallidum",),
    "Accumbens-area": ("accumbens",),
    "Thalamus": ("thalamus",),
    "Lentiform": ("putamen", "pallidum"),
}
"""Structure to what the table calls it, or its parts."""
BG_PARTS = ("caudate", "putamen", "pallidum", "accumbens")
"""The basal ganglia, as the table calls them."""


def check_volumes(result: Result) -> Iterator[Finding]:
    """Find what is not credible about the volumes of a result."""
    volumes = plausibility.nucleus_volumes(result.anatomy, result.affine)
    yield from _bg_volume(result, volumes)
    yield from _missing(result, volumes)
    yield from _nucleus_volumes(result, volumes)
    yield from _ratios(volumes)


_Volumes = Mapping[str, Mapping[str, float]]


def _bg_volume(result: Result, volumes: _Volumes) -> Iterator[Finding]:
    total = plausibility.bg_volume(volumes)
    bound = credible_table().bounds["bg_volume"]
    least, largest = credible_table().expected_mm3(BG_PARTS, result.age_weeks)
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
    unsure = credible_table().bounds["sureness"].beyond(result.said("nuclei_sureness"))
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
            f"{some_of(strange)}."
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
        yield Finding(f"Left and right differ more than is credible: {some_of(strange)}.", failure)


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
