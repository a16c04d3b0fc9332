"""Several cohorts in one table, and what of a cohort is not to be scored."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgpvs_wf.bids.inputs import label_of
from bgpvs_wf.evaluation.cohort import tables_from_cases
from bgpvs_wf.evaluation.overlap import NAN
from bgpvs_wf.evaluation.score_tables import CASE_COLUMNS, TUBE_VOLUME, EvaluationTables

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_FILE = "comparison.tsv"
HYBRIDS_NOTE = (
    "Hybrids of one scan are not independent infants; p and intervals are about tubes, not about "
    "infants."
)
_OF_REFERENCE = (
    *("subject", "session", "method", "structure"),
    *("reference_mm3", "true_mm3", "reference_count"),
)
"""Columns of the table of cases that say nothing of a prediction."""
_DESCRIPTIONS = {
    "cohort": "Name of the cohort",
    "infants": "Number of infants, or of hybrids, with a reference",
    "scans": "Number of scans that the hybrids are made of; n/a if they are no hybrids",
    "nuclei": "found: by the strategy's own run; given: every strategy was told where they are",
    "method": "Name of the strategy",
    "PVS volume r": "Pearson correlation of the predicted with the true PVS volume",
    "PVS volume ICC(2,1)": "Absolute agreement of the predicted with the true PVS volume",
    "PVS volume MAE (mm3)": "Mean absolute error of the predicted PVS volume",
    f"{TUBE_VOLUME} r": "The same, the predicted volume that of tubes, by their signal",
    f"{TUBE_VOLUME} ICC(2,1)": "The same, the predicted volume that of tubes",
    f"{TUBE_VOLUME} MAE (mm3)": "The same, the predicted volume that of tubes",
}
_SCORE = "Mean ± SD over the infants; p of Wilcoxon's signed-rank test against the proposed, Holm"


@dataclass(frozen=True, eq=False)
class CohortScores:
    """What the strategies reach on a cohort."""

    cohort: str
    infants: int
    nuclei_given: bool
    table: pd.DataFrame
    """Of `bgpvs_wf.evaluation.paper_table`."""
    problems: tuple[str, ...] = ()
    """What was not scored, and why."""
    scans: int | None = None
    """What hybrids are made of; None for infants that are no hybrids."""

    @property
    def heading(self) -> str:
        """The cohort in a line."""
        nuclei = "given" if self.nuclei_given else "found by the pipeline"
        if self.scans is None:
            who = counted(self.infants, "scan")
        else:
            who = f"{counted(self.infants, 'hybrid')} of {counted(self.scans, 'scan')}"
        return f"{self.cohort}: {who}, nuclei {nuclei}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What to keep in mind of p values and intervals."""
        return (HYBRIDS_NOTE,) if self.scans is not None and self.scans < self.infants else ()


def counted(number: int, what: str) -> str:
    """Return a number of things in words.

    Examples
    --------
    >>> counted(2, "scan")
    '2 scans'
    """
    return f"{number} {what}{'s' * (number != 1)}"


def scan_of(hybrid: str) -> str:
    """Return the scan that a hybrid is made of, by label.

    Examples
    --------
    >>> scan_of("01h03"), scan_of("north2ah10")
    ('01', 'north2a')
    """
    return re.sub(r"h\d+$", "", hybrid)


def comparison_table(scores: Iterable[CohortScores]) -> pd.DataFrame:
    """Return a row per cohort and method, all text; what is not known of a cohort is "n/a"."""
    import pandas as pd

    frames = [
        one.table.assign(
            cohort=one.cohort,
            infants=str(one.infants),
            scans="n/a" if one.scans is None else str(one.scans),
            nuclei="given" if one.nuclei_given else "found",
        )
        for one in scores
    ]
    table = pd.concat(frames, ignore_index=True).fillna("n/a")
    first = ["cohort", "infants", "scans", "nuclei", "method"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def describe_columns(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the data dictionary of `comparison_table`."""
    return {name: {"Description": _DESCRIPTIONS.get(name, _SCORE)} for name in columns}


def without_unfinished(
    tables: EvaluationTables, unfinished: Mapping[str, Collection[str]], seed: int
) -> EvaluationTables:
    """Take back the scores of results that an earlier run left where the last one failed.

    Parameters
    ----------
    tables : EvaluationTables
    unfinished : mapping of str to collection of str
        Method to those (``sub-X``, ``sub-X_ses-Y``) that it did not finish.
    seed : int
        Of the bootstrap.

    Returns
    -------
    EvaluationTables
        With missing scores for them, as if they had no results.
    """
    stale = _is_unfinished(tables.cases, unfinished) & tables.cases["predicted_mm3"].notna()
    if not stale.any():
        return tables
    cases = tables.cases.copy()
    cases.loc[stale, [name for name in CASE_COLUMNS if name not in _OF_REFERENCE]] = NAN
    who = dict.fromkeys(zip(_labels(cases[stale]), cases[stale]["method"], strict=True))
    told = [
        f"{label}, {method}: the last run failed; older results do not count."
        for label, method in who
    ]
    return tables_from_cases(
        cases,
        tables.tubes[~_is_unfinished(tables.tubes, unfinished)],
        tables.proposed or None,
        [*tables.problems, *told],
        seed,
    )


def _is_unfinished(frame: pd.DataFrame, unfinished: Mapping[str, Collection[str]]) -> pd.Series:
    import pandas as pd

    pairs = zip(_labels(frame), frame["method"], strict=True)
    return pd.Series(
        [label in unfinished.get(method, ()) for label, method in pairs], frame.index, dtype=bool
    )


def _labels(frame: pd.DataFrame) -> list[str]:
    sessions = frame["session"].fillna("")
    return [label_of(*who) for who in zip(frame["subject"], sessions, strict=True)]
