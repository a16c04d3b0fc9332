"""The table of a cohort: the regions of all subjects and sessions under one another."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.anatomy.labels import BG_LABELS, LENTIFORM_LABELS
from bgpvs_wf.bids.inputs import LABEL
from bgpvs_wf.config import BG_REGIONS
from bgpvs_wf.errors import BGPVSError, TableError
from bgpvs_wf.imaging.files import write_table
from bgpvs_wf.quantification.columns import GROUP_COLUMNS, REGION_COLUMNS, UNKNOWN_SIDE
from bgpvs_wf.quantification.parcels import region_rows
from bgpvs_wf.tsv import MISSING, TextTable, read_tsv

if TYPE_CHECKING:
    import pandas as pd

_ENTITIES = re.compile(rf"^sub-(?P<subject>{LABEL})(?:_ses-(?P<session>{LABEL}))?_")
_WHO, _TEXT = ("subject", "session"), ("name", "region", "side")
_WHOLE = ("index", "pvs_count")


def collect_group_table(
    paths: Iterable[str | os.PathLike[str]],
    ages: Mapping[tuple[str, str | None], float | None] | None = None,
    *,
    refused: dict[Path, str] | None = None,
) -> pd.DataFrame:
    """Put the tables of regions of many subjects into one.

    Parameters
    ----------
    paths : iterable of path-like
        Files `sub-X[_ses-Y]_desc-bgpvs_morph.tsv`, in any order.
    ages : mapping of (subject, session) to float, optional
        Post-menstrual ages, weeks; labels without `sub-` and `ses-`, session None where
        there are none. Who is missing there has an unknown age.
    refused : dict, optional
        Is given the files that cannot be used, with the reason; they are then left out.

    Returns
    -------
    DataFrame
        The columns of `GROUP_COLUMNS`; a row per subject, session and region, sorted by subject
        and session.

    Raises
    ------
    BGPVSError
        Unless they are to go to `refused`: if a file cannot be read, is no table of regions, its
        name has no subject, or two files are of the same subject and session.
    """
    ages = ages or {}
    found: dict[tuple[str, str | None], tuple[Path, dict[str, Any]]] = {}
    for path in map(Path, paths):
        try:
            who = _who(path)
            if who in found:
                raise BGPVSError(
                    f"{path} and {found[who][0]} are of the same subject and session; keep one."
                )
            found[who] = (path, _read_columns(path))
        except BGPVSError as error:
            if refused is None:
                raise
            refused[path] = str(error)
    # Frames of each would take most of the time of a large cohort.
    together: dict[str, list[Any]] = {name: [] for name in GROUP_COLUMNS}
    for who in sorted(found, key=lambda who: (who[0], who[1] or "")):
        columns, age = found[who][1], ages.get(who)
        count = len(columns["name"])
        together["subject"] += [who[0]] * count
        together["session"] += [who[1]] * count
        together["age_weeks"] += [math.nan if age is None else float(age)] * count
        for name in REGION_COLUMNS:
            together[name] += list(columns[name])
    return _frame(together, GROUP_COLUMNS)


def read_regions(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a `desc-bgpvs_morph.tsv` back; `n/a` becomes missing.

    Raises
    ------
    TableError
        If it cannot be read, has not the columns of `REGION_COLUMNS` or the rows of any anatomy,
        or a value that no measurement has: text, infinity, a negative number, no volume.
    """
    return _frame(_read_columns(path), REGION_COLUMNS)


def _read_columns(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the columns of a table of regions, checked; see `read_regions`."""
    try:
        table = read_tsv(Path(path))
        table.require(REGION_COLUMNS)
        _check_rows(table)
        columns: dict[str, Any] = {}
        for name in REGION_COLUMNS:
            if name in _TEXT:
                columns[name] = table.text(name)
            else:
                columns[name] = table.numbers(name, least=0, whole=name in _WHOLE)
        _check_volumes(table, columns)
    except TableError as error:
        raise TableError(f"{str(error).rstrip('.')}; run the subject again.") from error
    return columns


def _frame(columns: Mapping[str, Any], names: Iterable[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(columns, columns=list(names))
    text = [name for name in (*_WHO, *_TEXT) if name in frame]
    return frame.astype(dict.fromkeys(text, object)).astype(dict.fromkeys(_WHOLE, "Int64"))


def _check_rows(table: TextTable) -> None:
    """Make sure that a table has the rows of some anatomy, each once."""
    if not len(table):
        raise TableError(f"{table.path} has no rows, only a header.")
    # Sides that are not known are marked.
    names = [(name or MISSING).removesuffix(UNKNOWN_SIDE) for name in table.text("name")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{table.path} has several rows '{twice}'.")
    nearest = min(_possible_names(), key=lambda known: len(known.symmetric_difference(names)))
    for name, line in zip(names, table.lines, strict=True):
        if name not in nearest:
            raise TableError(f"{table.path} has a row '{name}' (line {line}), which is no region.")
    missing = sorted(nearest.difference(names))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise TableError(f"{table.path} lacks the row '{missing[0]}'{more}.")


@functools.cache
def _possible_names() -> tuple[frozenset[str], ...]:
    """Return the names of rows for each kind of anatomy: what may be told apart in it."""
    labels: tuple[set[int], ...] = (set(), {*LENTIFORM_LABELS}, {*LENTIFORM_LABELS, *BG_LABELS})
    return tuple(
        frozenset(row.name for row in region_rows(known, False, region))
        for known in labels
        for region in BG_REGIONS
    )


def _check_volumes(table: TextTable, columns: Mapping[str, Any]) -> None:
    for line, volume in zip(table.lines, columns["volume_mm3"], strict=True):
        if math.isnan(volume):
            raise TableError(f"{table.path} has no volume_mm3 in line {line}.")


def write_tsv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a table of this package as TSV, whole or not at all.

    Numbers have six significant digits, what is missing is `n/a`, lines end in LF, whatever the
    system.
    """
    rounded = frame.copy()
    for name in rounded.select_dtypes("float"):
        values = rounded[name].astype(object)
        rounded[name] = values.map(lambda v: f"{v:.6g}", na_action="ignore")
    return write_table(rounded, path)


def _who(path: Path) -> tuple[str, str | None]:
    match = _ENTITIES.match(path.name)
    if not match:
        raise BGPVSError(f"{path} does not begin with sub-<label>; give it its BIDS name.")
    return match["subject"], match["session"]
