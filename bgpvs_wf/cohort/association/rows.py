"""Which rows of a cohort a model is about, and who cannot be in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bgpvs_wf.bids.inputs import label_of
from bgpvs_wf.cohort.table import WHOLE
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.quantification.columns import UNKNOWN_SIDE

if TYPE_CHECKING:
    import pandas as pd


class LeftOut(NamedTuple):
    """Who is not in a model, and why."""

    label: str
    why: str


def regions_of(table: pd.DataFrame, outcome: str) -> list[str]:
    """Return the regions that an outcome is known of, without the whole that they add up to."""
    both = _both_sides(table)
    known = both[both[outcome].notna() & (both["region"] != WHOLE)]
    return [str(name) for name in dict.fromkeys(known["region"])]


def rows_of(table: pd.DataFrame, region: str) -> pd.DataFrame:
    """Return the rows of a region, both sides together.

    The table has such rows, in which volumes and counts are the sums of the sides. Left and right
    of an infant are not two observations: one tells much of the other.

    Raises
    ------
    BGPVSError
        If there are none.
    """
    both = _both_sides(table)
    rows = both[both["region"] == region].reset_index(drop=True)
    if not len(rows):
        raise BGPVSError(f"The table has no rows of {region} on both sides.")
    return rows


def complete_rows(
    rows: pd.DataFrame, columns: Sequence[str]
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """Return the rows in which nothing is missing, and who is left out for what.

    Parameters
    ----------
    rows : DataFrame
    columns : sequence of str
        Those that are used.
    """
    used = rows[list(dict.fromkeys(columns))]
    missing = used.isna() | used.isin([np.inf, -np.inf])
    gaps = missing.any(axis=1).to_numpy(bool)
    left_out = tuple(
        LeftOut(label, "no " + " and no ".join(missing.columns[row]))
        for label, row in zip(labels(rows[gaps]), missing.to_numpy(bool)[gaps], strict=True)
    )
    return rows[~gaps].reset_index(drop=True), left_out


def labels(rows: pd.DataFrame) -> list[str]:
    """Return the BIDS names of the subjects and sessions of rows."""
    pairs = zip(rows["subject"], rows["session"], strict=True)
    return [label_of(str(s), str(e) if isinstance(e, str) else None) for s, e in pairs]


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names as in a sentence, the first of many.

    Examples
    --------
    >>> listed(["a", "b"]), listed(list("abcdef"), 2)
    ('a and b', 'a, b and 4 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _both_sides(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["side"].astype(str).str.removesuffix(UNKNOWN_SIDE) == "both"]
