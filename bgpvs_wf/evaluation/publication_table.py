"""The results as the table of a paper: a row a method, mean and spread in a cell.

Laid out as in Kang, Bak, Shin, Kim, Nam, J Magn Reson Imaging 2026, doi 10.1002/jmri.70298.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bgpvs_wf.evaluation.score_tables import STRUCTURES, TUBE_VOLUME

if TYPE_CHECKING:
    import pandas as pd

_METRICS = (("dice", "Dice"), ("recall", "Recall"), ("ppv", "PPV"), ("hd95_mm", "HD95 (mm)"))
_VOLUMES = ("PVS volume", TUBE_VOLUME)
_AGREEMENT = (("pearson_r", "r", ".3f"), ("icc2_1", "ICC(2,1)", ".3f"), ("mae", "MAE (mm3)", ".3g"))


def paper_table(
    summary: pd.DataFrame, comparison: pd.DataFrame, agreement: pd.DataFrame
) -> pd.DataFrame:
    """Return the results as text.

    Parameters
    ----------
    summary, comparison, agreement : DataFrame
        Of `EvaluationTables`.

    Returns
    -------
    DataFrame
        A row per method, columns `method`, "BG Dice", ..., "BG-PVS HD95 (mm)", "PVS volume r",
        ...; cells such as "0.78 ± 0.09 (p = 0.012)": mean, SD and Holm's p against the proposed
        method. What is not known is "n/a"; structures that were not scored have no columns, nor
        has a volume of tubes that no method measured.
    """
    import pandas as pd

    means = summary.set_index(["method", "structure", "metric"])
    tests = comparison.set_index(["method", "structure", "metric"])["p_holm"]
    measures = {name: agreement[agreement["measure"] == name] for name in _VOLUMES}
    structures = [name for name in STRUCTURES if (summary["structure"] == name).any()]
    rows = []
    for method in dict.fromkeys(summary["method"]):
        row = {"method": method}
        for structure in structures:
            for metric, title in _METRICS:
                key = (method, structure, metric)
                cell = _mean(*means.loc[key, ["mean", "sd"]]) if key in means.index else "n/a"
                row[f"{structure} {title}"] = cell + (_p(tests[key]) if key in tests.index else "")
        for measure, found in measures.items():
            for column, title, form in _AGREEMENT if len(found) else ():
                value = found.set_index("method")[column].get(method, float("nan"))
                row[f"{measure} {title}"] = "n/a" if pd.isna(value) else format(value, form)
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(mean: float, sd: float) -> str:
    if mean != mean:
        return "n/a"
    return f"{mean:.2f}" if sd != sd else f"{mean:.2f} ± {sd:.2f}"


def _p(p: float) -> str:
    if p != p:
        return ""
    return " (p < 0.001)" if p < 0.001 else f" (p = {p:.3f})"
