"""The table of a cohort: the regions of all subjects and sessions under one another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bgpvs_wf.bids.inputs import LABEL
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.files import write_table
from bgpvs_wf.quantification.columns import GROUP_COLUMNS, REGION_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_ENTITIES = re.compile(rf"^sub-(?P<subject>{LABEL})(?:_ses-(?P<session>{LABEL}))?_")
_KEY = ["name", "region", "side"]


def collect_group_table(
    paths: Iterable[str | os.PathLike[str]],
    ages: Mapping[tuple[str, str | None], float | None] | None = None,
) -> pd.DataFrame:
    """Put the tables of regions of many subjects into one.

    Parameters
    ----------
    paths : iterable of path-like
        Files `sub-X[_ses-Y]_desc-bgpvs_morph.tsv`, in any order.
    ages : mapping of (subject, session) to float, optional
        Post-menstrual ages, weeks; labels without `sub-` and `ses-`, session None where
        there are none. Who is missing there has an unknown age.

    Returns
    -------
    DataFrame
        The columns of `GROUP_COLUMNS`; a row per subject, session and region, sorted by subject
        and session.

    Raises
    ------
    BGPVSError
        If a file cannot be read, is no table of regions, its name has no subject, or two files
        are of the same subject and session.
    """
    import pandas as pd

    ages = ages or {}
    found: dict[tuple[str, str | None], tuple[Path, pd.DataFrame]] = {}
    for path in map(Path, paths):
        who = _who(path)
        if who in found:
            raise BGPVSError(
                f"{path} and {found[who][0]} are of the same subject and session; keep one."
            )
        table = read_regions(path)
        table.insert(0, "subject", who[0])
        table.insert(1, "session", who[1])
        age = ages.get(who)
        table.insert(2, "age_weeks", float("nan") if age is None else float(age))
        found[who] = (path, table)
    order = sorted(found, key=lambda who: (who[0], who[1] or ""))
    if not order:
        return pd.DataFrame(columns=list(GROUP_COLUMNS))
    # By way of records: joining frames whose columns are all missing is deprecated in pandas.
    records = [record for who in order for record in found[who][1].to_dict("records")]
    frame = pd.DataFrame(records, columns=list(GROUP_COLUMNS))
    return frame.astype({"index": "Int64", "pvs_count": "Int64"})


def read_regions(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a `desc-bgpvs_morph.tsv` back; `n/a` becomes missing.

    Raises
    ------
    BGPVSError
        If it cannot be read or has not the columns of `REGION_COLUMNS`.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=dict.fromkeys(_KEY, str)
        )
    except OSError as error:
        raise BGPVSError(f"Cannot read {path}: {error.strerror}; run the subject again.") from error
    except ValueError as error:  # pandas' parser errors are ValueErrors
        raise BGPVSError(f"{path} is no table ({error}); run the subject again.") from error
    missing = [name for name in REGION_COLUMNS if name not in table.columns]
    if missing:
        raise BGPVSError(
            f"{path} has no column {', '.join(missing)}; it is of another version, "
            "run the subject again."
        )
    whole = dict.fromkeys(("index", "pvs_count"), "Int64")
    return table[list(REGION_COLUMNS)].astype(whole)


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
