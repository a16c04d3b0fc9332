"""Change of one infant over its sessions: from label maps and tables to a table of change."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.arrays import Affine, Floats, Labels
from bgpvs_wf.cohort.change.matching import REGISTRATION_MM, Match, gate_of, match_spaces
from bgpvs_wf.cohort.change.refining import refine_placing
from bgpvs_wf.cohort.change.spaces import Space, by_affine, find_spaces
from bgpvs_wf.cohort.change.table import Seen, change_table
from bgpvs_wf.cohort.change.traces import Evidence, trace_of
from bgpvs_wf.cohort.change.tracks import chain
from bgpvs_wf.imaging.geometry import voxel_sizes
from bgpvs_wf.tsv import MISSING, TextTable, read_tsv

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("index", "region", "side", "volume_mm3", "volume_tube_mm3", "mean_diameter_mm")


def read_seen(
    sessions: Sequence[str],
    labels: Sequence[tuple[Labels, Affine]],
    objects: Sequence[Path],
    probabilities: Sequence[Floats] = (),
) -> list[Seen]:
    """Read what is known of the spaces of an infant's sessions.

    Volumes are those of tubes where all sessions have them, else of voxels, for both are never
    compared with each other.

    Parameters
    ----------
    sessions : sequence of str
        Labels with ``ses-``, in the order of age.
    labels : sequence of (ndarray of int, ndarray)
        Number of the space in every voxel, and the affine.
    objects : sequence of Path
        ``desc-pvs_objects.tsv`` of each.
    probabilities : sequence of ndarray, optional
        Of a PVS in every voxel of each; none where not all sessions have one.

    Raises
    ------
    TableError
        If a table cannot be read, or lacks a column.
    """
    tables = [read_tsv(path) for path in objects]
    for table in tables:
        table.require(_NEEDED)
    of_tubes = [table.numbers("volume_tube_mm3", least=0) for table in tables]
    known = all(np.isfinite(values).all() for values in of_tubes)
    told = [
        _seen(label, *found, table, "volume_tube_mm3" if known else "volume_mm3")
        for label, found, table in zip(sessions, labels, tables, strict=True)
    ]
    if not probabilities:
        return told
    return [
        replace(one, evidence=Evidence.beside(probability, affine, data))
        for one, probability, (data, affine) in zip(told, probabilities, labels, strict=True)
    ]


def change_of(seen: Sequence[Seen], affines: Sequence[Affine]) -> tuple[pd.DataFrame, list[Affine]]:
    """Match the spaces of successive sessions, follow them, and tell what became of each.

    What one session misses is looked for in those after it.

    Parameters
    ----------
    seen : sequence of Seen
        In the order of age.
    affines : sequence of ndarray, shape (4, 4)
        From each session to the next, mm to mm; one fewer.

    Returns
    -------
    table : DataFrame
        See `bgpvs_wf.cohort.change.table.change_table`.
    placed : list of ndarray, shape (4, 4)
        The affines as the spaces correct them (`bgpvs_wf.cohort.change.refining`).
    """
    matches, corrected = {}, []
    for k, ((before, after), affine) in enumerate(
        zip(itertools.pairwise(seen), affines, strict=True)
    ):
        placed = refine_placing(before.spaces, after.spaces, affine, _gate(before, after))
        corrected.append(placed)
        matches[k, k + 1] = _match(before, after, placed, before.spaces, after.spaces)
    for apart in range(2, len(seen)):
        for first in range(len(seen) - apart):
            matches[first, first + apart] = _over_gap(seen, corrected, matches, first, apart)
    tracks = chain([[space.number for space in one.spaces] for one in seen], matches)
    return change_table(seen, tracks, _traces(seen, corrected, matches)), corrected


def _traces(
    seen: Sequence[Seen], affines: Sequence[Affine], matches: Mapping[tuple[int, int], Match]
) -> dict[tuple[int, int, int], float]:
    """Look in each session for what only the one before or after it shows."""
    found = {}
    for k, affine in enumerate(affines):
        match, reach = matches[k, k + 1], _gate(seen[k], seen[k + 1])
        forward, backward = by_affine(affine), by_affine(np.linalg.inv(affine))
        for here, there, lost, move in (
            (k, k + 1, match.gone, forward),
            (k + 1, k, match.new, backward),
        ):
            evidence = seen[there].evidence
            if evidence is None:
                continue
            for space in seen[here].spaces:
                if space.number in lost:
                    found[here, space.number, there] = trace_of(space, evidence, move, reach)
    return found


def _gate(before: Seen, after: Seen, steps: int = 1) -> float:
    """Return how far lines may lie apart, mm; each step between sessions adds its error."""
    first, second = (float(voxel_sizes(one.affine).max()) for one in (before, after))
    return gate_of(first, second, REGISTRATION_MM * math.sqrt(steps))


def _match(
    before: Seen,
    after: Seen,
    placed: Affine,
    ones: Sequence[Space],
    others: Sequence[Space],
    steps: int = 1,
) -> Match:
    forward, backward = by_affine(placed), by_affine(np.linalg.inv(placed))
    return match_spaces(ones, others, forward, backward, _gate(before, after, steps))


def _over_gap(
    seen: Sequence[Seen],
    affines: Sequence[Affine],
    matches: Mapping[tuple[int, int], Match],
    first: int,
    apart: int,
) -> Match:
    """Match what is lost after a session with what comes up in one some sessions later."""
    last = first + apart
    placed = np.eye(4)
    for affine in affines[first:last]:
        placed = affine @ placed
    followed = {n for (a, _), m in matches.items() if a == first for p in m.pairs for n in p.first}
    known = {n for (_, b), m in matches.items() if b == last for p in m.pairs for n in p.second}
    lost = [space for space in seen[first].spaces if space.number not in followed]
    up = [space for space in seen[last].spaces if space.number not in known]
    return _match(seen[first], seen[last], placed, lost, up, apart)


def _seen(label: str, data: Labels, affine: Affine, table: TextTable, volume: str) -> Seen:
    numbers = [int(n) for n in table.numbers("index", least=1, whole=True)]
    volumes = table.numbers(volume, least=0).tolist()
    diameters = table.numbers("mean_diameter_mm", least=0).tolist()
    sizes = zip(numbers, volumes, diameters, strict=True)
    measured = {n: (v, d) for n, v, d in sizes if math.isfinite(v) and math.isfinite(d)}
    places = zip(table.text("region"), table.text("side"), strict=True)
    named = [(region or MISSING, side or MISSING) for region, side in places]
    spaces = find_spaces(np.asarray(data).astype(np.int32), affine, measured)
    nowhere = dict.fromkeys((space.number for space in spaces), (MISSING, MISSING))
    return Seen(label, affine, spaces, {**nowhere, **dict(zip(numbers, named, strict=True))})
