"""The proposed method against the others, and each method in sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bgpvs_wf.arrays import Floats
from bgpvs_wf.evaluation.overlap import NAN
from bgpvs_wf.evaluation.score_tables import COMPARISON_COLUMNS, STRUCTURES, SUMMARY_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

COMPARED = ("dice", "recall", "ppv", "hd95_mm")
"""What methods are compared by, as in Kang et al., J Magn Reson Imaging 2026."""
SUMMED = (
    *("dice", "recall", "ppv", "hausdorff_mm", "hd95_mm"),
    *("cluster_recall", "cluster_ppv", "cluster_f1"),
)
"""What is summed up."""


def compare_methods(
    cases: pd.DataFrame, proposed: str, metrics: Sequence[str] = COMPARED
) -> pd.DataFrame:
    """Test the proposed method against every other one, by structure and metric.

    Wilcoxon's signed-rank test on cases that both methods have a value for (pairs of equal
    values dropped, as Wilcoxon did), two-sided, exact for small samples; p corrected over all
    methods and metrics of a structure by Holm (Scand J Stat 1979, jstor 4615733).

    Parameters
    ----------
    cases : DataFrame
        Columns as in `CASE_COLUMNS`.
    proposed : str
        Its name in the column `method`.
    metrics : sequence of str
        Columns of `cases`.

    Returns
    -------
    DataFrame
        The columns of `COMPARISON_COLUMNS`. All pairs equal: p 1, correlation 0, CLES 0.5.
        Fewer than two pairs: NaN, and not part of the correction.
    """
    import pandas as pd
    from pingouin import multicomp

    rows: list[dict[str, Any]] = []
    others = [name for name in dict.fromkeys(cases["method"]) if name != proposed]
    for structure in _structures(cases):
        here = cases[cases["structure"] == structure]
        family = []
        for metric in metrics:
            # A session of None would drop out of the index.
            key = [here["subject"], here["session"].fillna("")]
            wide = here.set_index([*key, "method"])[metric].unstack("method")
            for method in others:
                pairs = wide.reindex(columns=[proposed, method]).astype(float)
                row = {"structure": structure, "metric": metric, "proposed": proposed}
                tested = paired_test(pairs[proposed].to_numpy(), pairs[method].to_numpy())
                family.append(row | {"method": method} | tested)
        if family:
            corrected = multicomp(np.array([row["p"] for row in family]), method="holm")[1]
            rows += [row | {"p_holm": p} for row, p in zip(family, corrected, strict=True)]
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def paired_test(proposed: Floats, other: Floats) -> dict[str, float]:
    """Run Wilcoxon's signed-rank test on pairs, with effect sizes.

    Parameters
    ----------
    proposed, other : ndarray, shape (cases,)
        Pairs with a NaN are dropped.

    Returns
    -------
    dict of str to float
        ``n``, ``dropped``, ``mean_difference``, ``p``; ``rank_biserial`` (Kerby, Compr Psychol
        2014, doi 10.2466/11.IT.3.1), from -1 to 1, positive if the proposed has the larger
        values; ``cles``, the chance that a value of the proposed is larger than one of the
        other, ties half (Vargha and Delaney, J Educ Behav Stat 2000, doi
        10.3102/10769986025002101). With fewer than two pairs the last three are NaN; if all
        pairs are equal p is 1, the correlation 0 and CLES 0.5.
    """
    from pingouin import wilcoxon

    known = np.isfinite(proposed) & np.isfinite(other)
    a, b = proposed[known], other[known]
    found: dict[str, float] = {
        "n": len(a),
        "dropped": int((~known).sum()),
        "mean_difference": float((a - b).mean()) if len(a) else NAN,
        "p": NAN,
        "rank_biserial": NAN,
        "cles": NAN,
    }
    if len(a) < 2:
        return found
    if np.array_equal(a, b):
        return found | {"p": 1.0, "rank_biserial": 0.0, "cles": 0.5}
    tested = wilcoxon(a, b).iloc[0]
    return found | {
        "p": float(tested["p_val"]),
        "rank_biserial": float(tested["RBC"]),
        "cles": float(tested["CLES"]),
    }


def summary(cases: pd.DataFrame, metrics: Sequence[str] = SUMMED) -> pd.DataFrame:
    """Return mean, SD and median of each metric, by method and structure.

    Parameters
    ----------
    cases : DataFrame
        Columns as in `CASE_COLUMNS`.
    metrics : sequence of str
        Columns of `cases`.

    Returns
    -------
    DataFrame
        The columns of `SUMMARY_COLUMNS`, methods in their order; metrics that no case of a
        structure has are left out. The SD of one case is NaN.
    """
    import pandas as pd

    rows = []
    for method in dict.fromkeys(cases["method"]):
        for structure in _structures(cases):
            of_structure = cases[cases["structure"] == structure]
            group = of_structure[of_structure["method"] == method]
            for metric in metrics:
                if of_structure[metric].isna().all():
                    continue
                values = group[metric].astype(float).dropna()
                rows.append(
                    {
                        "method": method,
                        "structure": structure,
                        "metric": metric,
                        "n": len(values),
                        "missing": len(group) - len(values),
                        "mean": values.mean(),
                        "sd": values.std(),
                        "median": values.median(),
                    }
                )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _structures(cases: pd.DataFrame) -> list[str]:
    return [name for name in STRUCTURES if (cases["structure"] == name).any()]
