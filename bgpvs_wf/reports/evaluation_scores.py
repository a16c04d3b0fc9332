"""The table of scores: mean ± SD by method, with p against the proposed one, as in a paper."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from bgpvs_wf.reports.measure_names import METRICS, Metric, metric_of
from bgpvs_wf.reports.names import ordered_methods
from bgpvs_wf.reports.numbers import Row, fixed, number_of, p_value, records
from bgpvs_wf.reports.page_tables import MISSING

if TYPE_CHECKING:
    import pandas as pd


class Score(NamedTuple):
    """A cell of the table of scores."""

    text: str
    note: str
    """The p value against the proposed method, and the number of cases where it is lower."""
    best: bool


class ScoreTable(NamedTuple):
    """Mean ± SD of a structure: a row a method, a column a metric."""

    structure: str
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[str, int, tuple[Score, ...]], ...]
    """Method, number of cases, scores."""


def score_table(
    summary: pd.DataFrame, comparison: pd.DataFrame, structure: str, proposed: str = ""
) -> ScoreTable:
    """Return mean ± SD of every metric and method, with p against the proposed method.

    Parameters
    ----------
    summary, comparison : DataFrame
        As `EvaluationTables` has them.
    structure : str
        "BG" or "BG-PVS".
    proposed : str
        The method whose row is the first.
    """
    chosen = summary[(summary["structure"] == structure) & summary["mean"].notna()]
    methods = ordered_methods(chosen, proposed)
    present = [str(name) for name in dict.fromkeys(chosen["metric"])]
    known = list(METRICS)
    names = sorted(present, key=lambda name: known.index(name) if name in known else len(known))
    found = {(str(row["method"]), str(row["metric"])): row for row in records(chosen)}
    p = p_by_method(comparison, structure)
    rows = []
    for method in methods:
        n = int(max(row["n"] for (name, _), row in found.items() if name == method))
        scores = [
            _score(found, method, methods, name, p.get(name, {}).get(method, math.nan), n)
            for name in names
        ]
        rows.append((method, n, tuple(scores)))
    return ScoreTable(structure, tuple(metric_of(name) for name in names), tuple(rows))


def p_by_method(comparison: pd.DataFrame, structure: str) -> dict[str, dict[str, float]]:
    """Return metric to method to p after Holm's correction."""
    found: dict[str, dict[str, float]] = {}
    for row in records(comparison):
        if row["structure"] == structure:
            found.setdefault(str(row["metric"]), {})[str(row["method"])] = number_of(row, "p_holm")
    return found


def _score(
    found: Mapping[tuple[str, str], Row],
    method: str,
    methods: list[str],
    name: str,
    p: float,
    n: int,
) -> Score:
    metric = metric_of(name)
    row = found.get((method, name))
    if row is None:
        return Score(MISSING, "", False)
    mean, sd = number_of(row, "mean"), number_of(row, "sd")
    text = fixed(mean, metric.decimals)
    if math.isfinite(sd):
        text += f" ± {fixed(sd, metric.decimals)}"
    notes = [p_value(p)] if math.isfinite(p) else []
    if int(row["n"]) < n:
        notes.append(f"n = {int(row['n'])}")
    means = [number_of(found[m, name], "mean") for m in methods if (m, name) in found]
    best = max(means) if metric.best_is_high else min(means)
    return Score(text, ", ".join(notes), mean == best and min(means) < max(means))
