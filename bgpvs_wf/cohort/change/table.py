"""The table of change: a row for each perivascular space and step between sessions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bgpvs_wf.arrays import Affine
from bgpvs_wf.cohort.change.repeatability import change_limit, volume_sd
from bgpvs_wf.cohort.change.spaces import Space
from bgpvs_wf.cohort.change.traces import Evidence, leaves_trace
from bgpvs_wf.cohort.change.tracks import Track
from bgpvs_wf.imaging.geometry import voxel_volume

if TYPE_CHECKING:
    import pandas as pd

CHANGES = ("persisted", "new", "gone", "missed", "again", "unclear")
COLUMNS: dict[str, dict[str, str]] = {
    "track": {"Description": "Number of the PVS over all sessions"},
    "session_from": {"Description": "Earlier session of the step"},
    "session_to": {"Description": "Later session of the step"},
    "change": {
        "Description": "persisted (in both), new (in the later, and in none before), gone (in the "
        "earlier, and in none after), missed (in the earlier, not in the later, but in one after "
        "it), again (in the later, not in the earlier, but in one before it), unclear (found in "
        "one of them, with a trace in the other)"
    },
    "trace": {
        "Description": "Of what is found in one of the two sessions: probability at its place in "
        "the other, over the most probable third of its line; n/a without probabilities"
    },
    "size": {
        "Description": "Of what persisted: grown or shrunk where its volume changes by more than "
        "volume_change_limit_mm3, else same"
    },
    "index_from": {"Description": "Its numbers in the earlier desc-pvs_dseg; several if in pieces"},
    "index_to": {"Description": "Its numbers in the later desc-pvs_dseg; several if in pieces"},
    "region": {"Description": "Region that holds most of it, in the later session if it is there"},
    "side": {"Description": "left or right; with ? where the header does not tell"},
    "volume_from_mm3": {"Description": "Volume in the earlier session", "Units": "mm3"},
    "volume_to_mm3": {"Description": "Volume in the later session", "Units": "mm3"},
    "volume_change_mm3": {"Description": "Later less earlier volume", "Units": "mm3"},
    "volume_change_limit_mm3": {
        "Description": "Change that chance alone exceeds in 5 of 100 cases",
        "Units": "mm3",
    },
    "diameter_from_mm": {"Description": "Mean diameter in the earlier session", "Units": "mm"},
    "diameter_to_mm": {"Description": "Mean diameter in the later session", "Units": "mm"},
    "diameter_change_mm": {"Description": "Later less earlier diameter", "Units": "mm"},
    "distance_mm": {
        "Description": "How far the lines of both sessions lie apart after registration",
        "Units": "mm",
    },
}
"""Column of the table to its description and units."""


@dataclass(frozen=True)
class Seen:
    """What is known of the spaces of a session."""

    label: str
    """Of the session, with ``ses-``."""
    affine: Affine
    """Of its label map, shape (4, 4)."""
    spaces: Sequence[Space]
    places: Mapping[int, tuple[str, str]]
    """Number of a space to its region and side."""
    evidence: Evidence | None = None
    """What networks say of where no space is found."""


Traces = Mapping[tuple[int, int, int], float]
"""Session and number of a space, and another session, to its trace there (`traces.trace_of`)."""


def change_table(
    sessions: Sequence[Seen], tracks: Sequence[Track], traces: Traces | None = None
) -> pd.DataFrame:
    """Return the table of change.

    Parameters
    ----------
    sessions : sequence of Seen
        In the order of age.
    tracks : sequence of Track
    traces : mapping, optional
        Of what is found in one session and not in the one before or after it.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, a row for each track and step between two sessions one of which shows it.
    """
    import pandas as pd

    rows = []
    for track in tracks:
        for k, (before, after) in enumerate(itertools.pairwise(sessions)):
            if track.members[k] or track.members[k + 1]:
                rows.append(_row(track, k, before, after, traces or {}))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(track: Track, k: int, before: Seen, after: Seen, traces: Traces) -> dict[str, Any]:
    old, new = track.members[k], track.members[k + 1]
    v0, d0, sd0 = _size(before, old)
    v1, d1, sd1 = _size(after, new)
    both = bool(old and new)
    limit = change_limit(sd0, sd1) if both else math.nan
    change, trace = _change(track, k, (before, after), traces)
    region, side = after.places[new[0]] if new else before.places[old[0]]
    return {
        "track": track.number,
        "session_from": before.label,
        "session_to": after.label,
        "change": change,
        "trace": trace,
        "size": _kind(v1 - v0, limit) if both else None,
        "index_from": "+".join(map(str, old)) or None,
        "index_to": "+".join(map(str, new)) or None,
        "region": region,
        "side": side,
        "volume_from_mm3": v0,
        "volume_to_mm3": v1,
        "volume_change_mm3": v1 - v0,
        "volume_change_limit_mm3": limit,
        "diameter_from_mm": d0,
        "diameter_to_mm": d1,
        "diameter_change_mm": d1 - d0,
        "distance_mm": track.distances_mm[k],
    }


def _change(track: Track, k: int, sessions: tuple[Seen, Seen], traces: Traces) -> tuple[str, float]:
    """Return what became of a track from session k to the next, and its trace where it is not."""
    old, new = track.members[k], track.members[k + 1]
    if old and new:
        return "persisted", math.nan
    here, there = (k + 1, k) if new else (k, k + 1)
    pieces = [one for one in sessions[here - k].spaces if one.number in (new or old)]
    found = {one.number: traces.get((here, one.number, there), math.nan) for one in pieces}
    trace = max(found.values())
    if new and any(track.members[:k]):
        return "again", trace
    if old and any(track.members[k + 2 :]):
        return "missed", trace
    if any(leaves_trace(one, found[one.number]) for one in pieces):
        return "unclear", trace
    return ("new" if new else "gone"), trace


def _size(seen: Seen, numbers: Sequence[int]) -> tuple[float, float, float]:
    """Return volume, diameter (by volume), and the SD of the volume, of pieces together."""
    mine = [space for space in seen.spaces if space.number in numbers]
    volume = sum(space.volume_mm3 for space in mine)
    if not mine:
        return 0.0, math.nan, math.nan
    weights = [space.volume_mm3 if volume > 0 else 1.0 for space in mine]
    diameter = sum(w * s.diameter_mm for w, s in zip(weights, mine, strict=True)) / sum(weights)
    return volume, diameter, volume_sd(volume, diameter, voxel_volume(seen.affine))


def _kind(change_mm3: float, limit_mm3: float) -> str:
    if abs(change_mm3) <= limit_mm3:
        return "same"
    return "grown" if change_mm3 > 0 else "shrunk"
