"""Results of a cohort beside what is known of its infants: where curves and effects start from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.bids.derivatives import group_table_path
from bgpvs_wf.bids.tabular_files import Table
from bgpvs_wf.errors import BGPVSError, TableError
from bgpvs_wf.quantification.columns import REGION_COLUMNS, told_volume
from bgpvs_wf.tsv import MISSING, read_tsv

if TYPE_CHECKING:
    import pandas as pd

WHOLE = "BG"
"""The region that is the basal ganglia as a whole."""
_TEXT = ("subject", "session", "name", "region", "side")
_SHORT = {
    "pvs_volume": "pvs_volume{}_mm3",
    "pvs_fraction": "pvs_fraction{}",
}


def read_cohort(output_dir: Path, bids_dir: Path) -> pd.DataFrame:
    """Read the table of all regions, with columns of ``participants.tsv`` and ``sessions.tsv``.

    Parameters
    ----------
    output_dir : Path
        With ``group_bgpvs.tsv``; who was excluded by ratings is not in it.
    bids_dir : Path
        The dataset. What a sessions table says of a session wins over the participants table.

    Returns
    -------
    DataFrame
        A row for each subject, session and region, with the columns of ``group_bgpvs.tsv`` and:
        `age` (post-menstrual weeks), `pvs_volume` and `pvs_fraction` (of tubes, where they are
        known for all), `bg_volume` (of the subject's basal ganglia, both sides, mm3), and what the
        dataset tells. Columns of the dataset that are all numbers are numbers. Its own `age`
        columns are left out: `age` is what the run made of them.

    Raises
    ------
    BGPVSError
        If there is no table of all, or one of the tables cannot be read.
    """
    path = group_table_path(output_dir)
    if not path.is_file():
        raise BGPVSError(f"There is no {path}; run `bgpvs-wf run` first, to the group level.")
    table = _read_group(path)
    for short, name in _SHORT.items():
        told = told_volume(table[table["pvs_count"].notna()])
        table[short] = table[name.format(told)].to_numpy(float)
    table["age"] = table["age_weeks"]
    whole = table[(table["region"] == WHOLE) & (table["side"] == "both")]
    volumes = dict(zip(_whose(whole), whole["volume_mm3"].tolist(), strict=True))
    who = _whose(table)
    table["bg_volume"] = np.array([volumes.get(one, np.nan) for one in who])
    return _with_columns(table, who, bids_dir)


def column_of(
    bids_dir: Path, who: Iterable[tuple[str, str | None]], name: str
) -> dict[tuple[str, str | None], str]:
    """Return what a column of the dataset says of subjects and sessions; nothing of who lacks it.

    Raises
    ------
    TableError
        If its tables cannot be read.
    """
    participants = Table.read(bids_dir / "participants.tsv", "participant_id", "sub-")
    told = {one: _told(bids_dir, participants, *one) for one in who}
    return {one: values[name] for one, values in told.items() if name in values}


def _read_group(path: Path) -> pd.DataFrame:
    import pandas as pd

    text = read_tsv(path)
    text.require((*_TEXT, "age_weeks", *REGION_COLUMNS))
    columns = {
        name: text.text(name) if name in _TEXT else text.numbers(name) for name in text.columns
    }
    table = pd.DataFrame(columns)
    return table.astype(dict.fromkeys(_TEXT, object))


def _whose(table: pd.DataFrame) -> list[tuple[str, str | None]]:
    return list(zip(table["subject"].tolist(), table["session"].tolist(), strict=True))


def _with_columns(
    table: pd.DataFrame, who: list[tuple[str, str | None]], bids_dir: Path
) -> pd.DataFrame:
    """Join what the dataset tells of each subject and session."""
    import pandas as pd

    participants = Table.read(bids_dir / "participants.tsv", "participant_id", "sub-")
    told = {one: _told(bids_dir, participants, *one) for one in dict.fromkeys(who)}
    names = list(dict.fromkeys(name for values in told.values() for name in values))
    for name in names:
        if name in table.columns or "age" in name.lower().split("_"):
            continue
        values = pd.Series([told[one].get(name) for one in who], dtype=object)
        numbers = pd.to_numeric(values, errors="coerce")
        # Text stays text, "1" and "2" of a site with letters among them, too.
        table[name] = numbers if numbers.notna().sum() == values.notna().sum() else values
    return table


def _told(
    bids_dir: Path, participants: Table | None, subject: str, session: str | None
) -> dict[str, str]:
    """Return what the tables of the dataset say of a subject and session."""
    found = _row(participants, subject)
    if session is not None:
        path = bids_dir / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
        found |= _row(Table.read(path, "session_id", "ses-"), session)
    return found


def _row(table: Table | None, label: str) -> dict[str, str]:
    """Return what is known in the row of a label; nothing if there is none."""
    if table is None:
        return {}
    rows, fault = table.rows(label)
    if table.fault:
        raise TableError(f"{fault}.")
    if len(rows) > 1:
        raise TableError(f"{table.path} has {label} twice (lines {table.lines(label)}); keep one.")
    values = rows[0].values if rows else {}
    return {k: v for k, v in values.items() if k != table.key and v not in ("", MISSING)}
