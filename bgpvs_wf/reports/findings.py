"""What was found in a subject, and how sure it is, in sentences made of measures alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.quality.measures import measures
from bgpvs_wf.quantification.columns import INTERVAL_COLUMNS, told_volume
from bgpvs_wf.reports.headlines import BG_REGION, sides_marked
from bgpvs_wf.reports.page_tables import readable
from bgpvs_wf.reports.record import again_text

if TYPE_CHECKING:
    import pandas as pd

UNSURE_BELOW = 0.5
"""A PVS of a lower mean probability is rather none, to the network."""
_PLACES = {"Lentiform": "lentiform nucleus", "BG-rest": "tissue between the nuclei"}


def found_sentences(
    regions: pd.DataFrame | None,
    objects: pd.DataFrame | None,
    *,
    faint: bool = False,
    blind: bool = False,
) -> list[str]:
    """Return how many PVS were found, where, how large they are, and how large the BG.

    Parameters
    ----------
    regions, objects : DataFrame, optional
        As `bgpvs_wf.quantification` measures them; what a column is missing for is not said.
    faint, blind : bool
        Whether few PVS, or none, can be seen in voxels of this size.

    Returns
    -------
    list of str
        Sentences, the most important first.
    """
    if regions is None or not {"region", "side"} <= set(regions.columns):
        return []
    bg = regions[regions["region"] == BG_REGION].set_index("side")
    bg.index = bg.index.str.removesuffix("?")
    if "both" not in bg.index:
        return []
    unknown = sides_marked(regions)
    told = []
    if "pvs_count" in bg:
        count = int(bg["pvs_count"].get("both", 0))
        told = [_count(bg["pvs_count"], unknown, faint=faint, blind=blind)]
        if count and not blind:
            told += [_places(regions, count), _volume(bg, count, unknown), _interval(bg)]
            told.append(_shape(bg, objects, count))
    return [sentence for sentence in (*told, _nuclei(regions, bg, unknown)) if sentence]


def sure_sentences(
    objects: pd.DataFrame | None, record: Mapping[str, Any], *, blind: bool = False
) -> list[str]:
    """Return how sure the PVS are, as far as anything tells it.

    Parameters
    ----------
    objects : DataFrame, optional
        A row a PVS.
    record : mapping
        What the segmentation says of itself.
    blind : bool
        Whether no PVS can be seen in voxels of this size: then nothing is sure.
    """
    if blind:
        return []
    count = None if objects is None else len(objects)
    told = [again_text(record, count) if count != 0 else "", _probability(objects)]
    return [sentence for sentence in told if sentence]


def verdict(quality: Mapping[str, float], doubts: Sequence[str]) -> str:
    """Return what to make of a result before its numbers are read; empty if nothing is in doubt.

    Examples
    --------
    >>> verdict({"margin_mm": 0.0}, ["The picture ends 0 mm from the nuclei."])
    'This result is not to be used: the scan is beyond the bounds of quality.'
    >>> verdict({"margin_mm": 20.0}, [])
    ''
    """
    known = ((one, quality.get(name, math.nan)) for name, one in measures().items())
    if any(one.advice(value) == "bad" for one, value in known):
        return "This result is not to be used: the scan is beyond the bounds of quality."
    if doubts:
        return "This result is in doubt: read what speaks against it before using any number."
    return ""


def _count(counts: pd.Series, unknown: bool, *, faint: bool, blind: bool) -> str:
    count = int(counts["both"])
    if blind:
        return (
            "Perivascular spaces (PVS) cannot be counted in this scan: hardly any of an infant "
            "can be seen in voxels of its size."
        )
    if not count:
        little = ", which says little: few can be seen in voxels of this size" if faint else ""
        return f"No perivascular space (PVS) was found in the basal ganglia{little}."
    many = "One perivascular space (PVS) was" if count == 1 else f"{count} perivascular spaces "
    many += "" if count == 1 else "(PVS) were"
    return f"{many} found in the basal ganglia{_by_side(counts, count, unknown)}."


def _by_side(counts: pd.Series, count: int, unknown: bool) -> str:
    """Return the sides of PVS as they end a sentence."""
    if not {"left", "right"} <= set(counts.index):
        return ""
    named = {side: _side_name(side, unknown) for side in ("right", "left")}
    held = {side: int(counts[side]) for side in named if int(counts[side])}
    if len(held) == 1:
        (side,) = held
        text = f", {'all ' if count > 1 else ''}{named[side]}"
    else:
        text = ": " + ", ".join(f"{number} {named[side]}" for side, number in held.items())
    return text + ("; which side is which is not known" if unknown else "")


def _side_name(side: str, unknown: bool) -> str:
    return f"on the side taken for the {side}" if unknown else f"on the {side}"


def _places(regions: pd.DataFrame, count: int) -> str:
    """Return in which nuclei they are, most of them first."""
    held = _counted(regions)
    full = sorted((name for name in held if held[name]), key=lambda name: -held[name])
    if not full:
        return ""
    if count == 1:
        return f"It is in the {full[0]}."
    first, *others = full
    if not others:
        return f"{'Both' if count == 2 else 'All'} are in the {first}."
    verb = "is" if held[first] == 1 else "are"
    rest = [f"{held[name]} in the {name}" for name in others]
    text = _listed([f"{held[first]} {verb} in the {first}", *rest])
    empty = [f"the {name}" for name in held if not held[name]]
    return f"{text}; none is in {_listed(empty, 'or')}." if empty else f"{text}."


def _volume(bg: pd.DataFrame, count: int, unknown: bool) -> str:
    kind = told_volume(bg)
    volume, share = f"pvs_volume{kind}_mm3", f"pvs_fraction{kind}"
    total = _value(bg, volume)
    if not math.isfinite(total):
        return ""
    text = f"{'It takes' if count == 1 else 'Together they take'} up {readable(total)} mm³"
    if math.isfinite(_value(bg, share)):
        text += f", {readable(100 * _value(bg, share))} % of the basal ganglia"
    return text + ("." if count == 1 else f"{_sides_of(bg, volume, 'mm³', 1, unknown)}.")


def _interval(bg: pd.DataFrame) -> str:
    """Return how far the volume of tubes may be off, where that is known."""
    low, high = (_value(bg, column) for column in INTERVAL_COLUMNS)
    if not math.isfinite(high):
        return ""
    return (
        f"The true volume is {readable(low)} to {readable(high)} mm³ with nine chances in ten, if "
        "the scan is like those that the model was calibrated on."
    )


def _shape(bg: pd.DataFrame, objects: pd.DataFrame | None, count: int) -> str:
    """Return length and diameter, as far as they were measured."""
    wide = _value(bg, "pvs_mean_diameter_mm")
    width = f"{readable(wide)} mm" if math.isfinite(wide) else ""
    if objects is None or "length_mm" not in objects or not objects["length_mm"].notna().any():
        return f"The mean diameter is {width}." if width else ""
    lengths = objects["length_mm"].to_numpy(float)
    longest = int(np.nanargmax(lengths))
    long = f"{readable(float(lengths[longest]))} mm"
    if count == 1:
        return f"It is {long} long{f' and {width} wide on average' if width else ''}."
    where = ""
    if {"region", "side"} <= set(objects.columns):
        side, place = (str(objects[name].iloc[longest]) for name in ("side", "region"))
        side = "" if side.endswith("?") else f"{side} "
        where = f" (in the {side}{_place(place)})"
    return f"The longest is {long} long{where}{f'; the mean diameter is {width}' if width else ''}."


def _nuclei(regions: pd.DataFrame, bg: pd.DataFrame, unknown: bool) -> str:
    volume = _value(bg, "volume_mm3")
    if not math.isfinite(volume):
        return ""
    parts = list(_counted(regions))
    of = f" ({_listed(parts)})" if parts else ""
    sides = _sides_of(bg, "volume_mm3", "mL", 1 / 1000, unknown)
    return f"The basal ganglia{of} measure {readable(volume / 1000)} mL{sides}."


def _probability(objects: pd.DataFrame | None) -> str:
    values = None if objects is None else objects.get("mean_probability")
    values = None if values is None else values.dropna()
    if values is None or not len(values):
        return ""
    if len(values) == 1:
        return f"To the network it is a PVS with a probability of {values.iloc[0]:.2f}."
    unsure = int((values < UNSURE_BELOW).sum())
    below = f"{unsure or 'none'} below {UNSURE_BELOW:g}"
    if unsure:
        below += ": look at it first" if unsure == 1 else ": look at these first"
    return (
        f"To the network they are PVS with a probability of {values.mean():.2f} on average, from "
        f"{values.min():.2f} to {values.max():.2f}, {below}."
    )


def _counted(regions: pd.DataFrame) -> dict[str, int]:
    """Return the regions that PVS were looked for in, by name, and how many were found."""
    if "pvs_count" not in regions.columns:
        return {}
    one = regions[(regions["side"] == "both") & (regions["region"] != BG_REGION)]
    known = one[one["pvs_count"].notna()]
    return {
        _place(str(name)): int(count)
        for name, count in zip(known["region"], known["pvs_count"], strict=True)
    }


def _place(region: str) -> str:
    return _PLACES.get(region, region.removesuffix("-area").lower())


def _value(bg: pd.DataFrame, column: str, side: str = "both") -> float:
    if column not in bg.columns or side not in bg.index:
        return math.nan
    return float(bg[column].loc[side])


def _sides_of(bg: pd.DataFrame, column: str, unit: str, scale: float, unknown: bool) -> str:
    values = {side: scale * _value(bg, column, side) for side in ("right", "left")}
    if not all(math.isfinite(value) for value in values.values()):
        return ""
    return ": " + ", ".join(
        f"{readable(value)} {unit} {_side_name(side, unknown)}" for side, value in values.items()
    )


def _listed(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> _listed(["a", "b", "c"]), _listed(["a"])
    ('a, b and c', 'a')
    """
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
