from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bgpvs_wf.evaluation.method_comparison import compare_methods, paired_test, summary
from bgpvs_wf.evaluation.publication_table import paper_table
from bgpvs_wf.evaluation.score_tables import (
    AGREEMENT_COLUMNS,
    CASE_COLUMNS,
    COMPARISON_COLUMNS,
    SUMMARY_COLUMNS,
)


def all_signs(differences: np.ndarray) -> float:
    """Return the two-sided p over all signs of the ranks, zeros left out."""
    differences = differences[differences != 0]
    ranks = stats.rankdata(np.abs(differences))
    seen = ranks[differences > 0].sum()
    sums = [np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=len(ranks))]
    tails = np.mean(np.array(sums) <= seen + 1e-9), np.mean(np.array(sums) >= seen - 1e-9)
    return min(1.0, 2 * min(tails))


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 9), coarse=st.booleans())
def test_p_and_effects_are_those_of_enumeration(seed, n, coarse):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 1, n) + 0.5, rng.normal(0, 1, n)
    if coarse:  # ties, and pairs of equal values
        a, b = np.round(a), np.round(b)
    found = paired_test(a, b)
    if np.array_equal(a, b):
        assert (found["p"], found["rank_biserial"]) == (1, 0)
        return
    assert found["p"] == pytest.approx(all_signs(a - b))
    pairs = [(x > y) + (x == y) / 2 for x in a for y in b]
    assert found["cles"] == pytest.approx(np.mean(pairs))
    d = (a - b)[a != b]
    ranks = stats.rankdata(np.abs(d))
    assert found["rank_biserial"] == pytest.approx(np.sum(ranks * np.sign(d)) / ranks.sum())


def test_large_samples_are_those_of_scipy():
    a, b = np.random.default_rng(1).normal(size=(2, 40))
    assert paired_test(a + 0.3, b)["p"] == pytest.approx(stats.wilcoxon(a + 0.3, b).pvalue)


def test_degenerate_pairs_are_defined():
    one = paired_test(np.array([1.0, np.nan, 2]), np.array([0.5, 1, np.nan]))
    assert (one["n"], one["dropped"], one["mean_difference"]) == (1, 2, 0.5)
    assert np.isnan([one["p"], one["rank_biserial"], one["cles"]]).all()
    none = paired_test(np.array([np.nan]), np.array([np.nan]))
    assert none["n"] == 0
    assert np.isnan(none["mean_difference"])
    equal = paired_test(np.array([1.0, 2, 3]), np.array([1.0, 2, 3]))
    assert (equal["p"], equal["rank_biserial"], equal["cles"]) == (1, 0, 0.5)


@pytest.fixture
def cases() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for method, shift in (("ours", 0.1), ("b", 0.0), ("a", 0.05)):
        for subject in range(8):
            for structure in ("BG", "BG-PVS"):
                row = dict.fromkeys(CASE_COLUMNS, np.nan)
                values = np.clip(0.7 + shift + rng.normal(0, 0.05, 4), 0, 1)
                row |= dict(zip(("dice", "recall", "ppv", "hd95_mm"), values, strict=True))
                row |= {"subject": f"{subject:02d}", "session": None, "method": method}
                rows.append(row | {"structure": structure})
    return pd.DataFrame(rows, columns=list(CASE_COLUMNS))


def test_holm_is_over_methods_and_metrics_of_a_structure(cases):
    cases.loc[(cases["method"] == "a") & (cases["subject"] == "03"), "dice"] = np.nan
    table = compare_methods(cases, "ours")
    assert list(table.columns) == list(COMPARISON_COLUMNS)
    assert len(table) == 2 * 2 * 4
    assert set(table["proposed"]) == {"ours"}
    for _, family in table.groupby("structure"):
        order = np.argsort(family["p"].to_numpy(), kind="stable")
        p, by_hand, highest = family["p"].to_numpy(), np.empty(8), 0.0
        for step, at in enumerate(order):
            highest = max(highest, min(1.0, p[at] * (8 - step)))
            by_hand[at] = highest
        assert family["p_holm"].to_numpy() == pytest.approx(by_hand)
    row = table.query("structure == 'BG' and method == 'a' and metric == 'dice'").iloc[0]
    assert (row["n"], row["dropped"]) == (7, 1)
    bg = cases[(cases["structure"] == "BG") & (cases["subject"] != "03")].set_index("method")
    expected = stats.wilcoxon(bg.loc["ours", "dice"], bg.loc["a", "dice"]).pvalue
    assert row["p"] == pytest.approx(expected)
    assert row["mean_difference"] == pytest.approx(
        (bg.loc["ours", "dice"].to_numpy() - bg.loc["a", "dice"].to_numpy()).mean()
    )


def test_undefined_tests_do_not_count_in_the_correction(cases):
    cases["hd95_mm"] = np.nan
    table = compare_methods(cases, "ours")
    undefined = table["metric"] == "hd95_mm"
    assert table[undefined]["p_holm"].isna().all()
    family = table[~undefined & (table["structure"] == "BG")]
    smallest = family["p"].min()
    assert family["p_holm"].min() == pytest.approx(min(1, smallest * 6))


def test_summary_counts_what_is_missing(cases):
    gone = (cases["method"] == "b") & (cases["subject"] == "00")
    cases.loc[gone, ["dice", "recall", "ppv", "hd95_mm"]] = np.nan
    table = summary(cases)
    assert list(table.columns) == list(SUMMARY_COLUMNS)
    assert list(dict.fromkeys(table["method"])) == ["ours", "b", "a"]
    assert "cluster_f1" not in set(table["metric"])
    row = table.query("method == 'b' and structure == 'BG' and metric == 'dice'").iloc[0]
    values = cases.query("method == 'b' and structure == 'BG'")["dice"].dropna().to_numpy()
    assert (row["n"], row["missing"]) == (7, 1)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(np.std(values, ddof=1))
    assert row["median"] == pytest.approx(np.median(values))


def test_paper_table_is_text(cases):
    agreement = pd.DataFrame(
        [{"method": "ours", "measure": "PVS volume", "pearson_r": 0.98765, "icc2_1": 0.97,
          "mae": 12.345}],
        columns=list(AGREEMENT_COLUMNS),
    )  # fmt: skip
    table = paper_table(summary(cases), compare_methods(cases, "ours"), agreement)
    assert table["method"].tolist() == ["ours", "b", "a"]
    first = table.set_index("method").loc["ours"]
    dice = cases.query("method == 'ours' and structure == 'BG-PVS'")["dice"]
    assert first["BG-PVS Dice"] == f"{dice.mean():.2f} ± {dice.std():.2f}"
    assert first["PVS volume r"] == "0.988"
    assert first["PVS volume MAE (mm3)"] == "12.3"
    other = table.set_index("method").loc["b"]
    assert "(p = 0.0" in other["BG Dice"]
    assert other["PVS volume ICC(2,1)"] == "n/a"
    one = cases[(cases["subject"] == "00") & (cases["structure"] == "BG")]
    single = paper_table(summary(one), compare_methods(one, "ours"), agreement.iloc[:0])
    assert single["BG Dice"].str.fullmatch(r"0\.\d\d").all()
    assert not [name for name in single if "PVS" in name]
