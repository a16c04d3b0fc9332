"""The table of quality of a cohort: the measures of all subjects and sessions, a row each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.cohort.age_gap import looked_age_weeks
from bgpvs_wf.cohort.outliers import deviations, protocols
from bgpvs_wf.errors import TableError
from bgpvs_wf.quality.measures import measures
from bgpvs_wf.tsv import read_tsv

if TYPE_CHECKING:
    import pandas as pd

AGE_COLUMNS = {
    "bg_volume_z": {
        "Description": "Volume of the basal ganglia beside others of the protocol and age: robust "
        "standard deviations of its logarithm from what is expected; n/a in small groups"
    },
    "looked_age_weeks": {
        "Description": "Post-menstrual age that volume and contrasts look like, beside others of "
        "the protocol; n/a in small groups",
        "Units": "week",
    },
    "looked_age_surer": {
        "Description": "By how many standard deviations the infant looks more like that age than "
        "like the one that is said"
    },
}
"""What only the cohort tells."""
_CHANGING = ("t2w_contrast_percent", "t1w_contrast_percent")
_LEAST_SPREAD = (0.05, 1.0, 1.0)
"""Of the logarithm of the volume, and of the contrasts: by so much infants of an age differ at
least (chosen)."""


def read_quality(path: str | os.PathLike[str]) -> dict[str, float]:
    """Return the measures of a ``desc-bgpvs_quality.tsv``; what it has not is NaN.

    Raises
    ------
    TableError
        If it cannot be read, has not one row, or holds what is no number.
    """
    table = read_tsv(Path(path))
    table.require(())
    if len(table) != 1:
        raise TableError(f"{path} has {len(table)} rows instead of one; run the subject again.")
    return {
        name: float(table.numbers(name)[0]) if name in table.columns else float("nan")
        for name in measures()
    }


def quality_of_cohort(rows: Iterable[dict[str, Any]], bg_volumes_mm3: np.ndarray) -> pd.DataFrame:
    """Put measures of all into one table, and add what only the cohort tells.

    Parameters
    ----------
    rows : iterable of dict
        `subject`, `session`, `age_weeks`, and measures by their names.
    bg_volumes_mm3 : ndarray, shape (n,)
        Of the basal ganglia, both sides.

    Returns
    -------
    DataFrame
        `subject`, `session`, `age_weeks`, the measures, and the columns of `AGE_COLUMNS`.
    """
    import pandas as pd

    names = ["subject", "session", "age_weeks", *measures()]
    table = pd.DataFrame(list(rows), columns=names)
    found = {name: np.full(len(table), np.nan) for name in AGE_COLUMNS}
    ages = table["age_weeks"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(bg_volumes_mm3, float))
    logs[~np.isfinite(logs)] = np.nan
    for group in protocols(table):
        differences, spread = deviations(logs[group], ages[group])
        found["bg_volume_z"][group] = differences / spread if spread > 0 else np.nan
        features = np.column_stack([logs[group], table.loc[group, list(_CHANGING)]])
        looked, surer = looked_age_weeks(features, ages[group], np.array(_LEAST_SPREAD))
        found["looked_age_weeks"][group], found["looked_age_surer"][group] = looked, surer
    return table.assign(**found)
