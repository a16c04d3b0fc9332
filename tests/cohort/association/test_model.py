"""What a model finds that was planted, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from toy_association import make_cohort

from bgpvs_wf.cohort.association.formula import read_formula
from bgpvs_wf.cohort.association.model import fit_region
from bgpvs_wf.cohort.association.sites import compare_sites
from bgpvs_wf.cohort.association.telling.methods import methods_paragraph
from bgpvs_wf.cohort.association.telling.table import terms_table
from bgpvs_wf.cohort.association.telling.words import left_out_lines, sentences
from bgpvs_wf.errors import BGPVSError, UsageError


def fitted(table, text, **options):
    return fit_region(table, "BG", read_formula(text, list(table.columns)), **options)


def term(model, name):
    table = terms_table([model])
    return table[table["term"] == name].iloc[0]


@pytest.mark.parametrize(
    ("options", "sessions"), [({}, 1), ({"groups": "subject"}, 3)], ids=["once", "repeated"]
)
def test_planted_effects_are_found_and_intervals_hold_them(options, sessions):
    held = {"age": 0, "group[T.b]": 0}
    for seed in range(100):
        table = make_cohort(np.random.default_rng(seed), 40, sessions=sessions)
        model = fitted(table, "pvs_volume ~ age + group", **options)
        low, high = model.fit.intervals()
        for name, truth in (("age", 0.2), ("group[T.b]", 4.0)):
            place = model.design.names.index(name)
            held[name] += low[place] <= truth <= high[place]
    assert min(held.values()) >= 90
    assert term(model, "group[T.b]")["p"] < 0.001


@pytest.mark.parametrize(
    ("outcome", "options", "sessions"),
    [("pvs_volume", {}, 1), ("pvs_count", {}, 1), ("pvs_volume", {"groups": "subject"}, 3)],
)
def test_what_is_not_there_is_seldom_found(outcome, options, sessions):
    found = 0
    for seed in range(100):
        table = make_cohort(np.random.default_rng(1000 + seed), 50, sessions=sessions)
        model = fitted(table, f"{outcome} ~ age + group + sex", **options)
        found += model.fit.p[model.design.names.index("sex[T.M]")] < 0.05
    assert found <= 7


def test_a_ratio_of_counts_is_found():
    table = make_cohort(np.random.default_rng(5), 400, slope=0.0)
    row = term(fitted(table, "pvs_count ~ group"), "group[T.b]")
    assert row["ratio_low"] < 1.4 < row["ratio_high"]
    assert row["ratio"] == pytest.approx(1.4, abs=0.15)


def test_who_lacks_something_is_named(cohort):
    cohort.loc[4, "sex"] = None
    cohort.loc[7, ["sex", "age"]] = [None, np.nan]
    model = fitted(cohort, "pvs_volume ~ age + sex")
    assert sorted(left_out_lines(model)) == [
        "no age and no sex (1): sub-007",
        "no sex (1): sub-004",
    ]
    assert len(model.rows) == 58
    assert "1 with no sex and 1 with no age and no sex were left out" in methods_paragraph(
        [model], {}
    )


@pytest.mark.parametrize(
    ("change", "formula", "error", "message"),
    [
        ({"sex": "F"}, "pvs_volume ~ sex", BGPVSError, "sex is F in all 60 rows"),
        ({"pvs_volume": 0.0}, "pvs_volume ~ age", BGPVSError, "pvs_volume is 0.0 in all"),
        ({}, "sex ~ age", UsageError, "sex is text"),
        ({}, "pvs_volume ~ subject", BGPVSError, "60 different values for 60 infants"),
        ({}, "pvs_volume ~ bs(age, df=12)", BGPVSError, "60 infants for 13 coefficients.*65 are"),
        ({}, "pvs_volume ~ age + I(age * 2)", BGPVSError, "age and .* tell the same"),
        ({}, "pvs_volume ~ bg_volume + copy", BGPVSError, "exactly"),
        ({}, "log(pvs_volume) ~ age", BGPVSError, r"log\(pvs_volume\) is no number for sub-002"),
        ({}, "pvs_volume ~ log(zero)", BGPVSError, "is no number for sub-000"),
        ({}, "pvs_volume ~ bs(sex, df=3)", UsageError, "cannot be used"),
    ],
)
def test_what_would_give_wrong_numbers_is_refused(cohort, change, formula, error, message):
    cohort.loc[2, "pvs_volume"] = 0.0
    cohort["copy"], cohort["zero"] = cohort["pvs_volume"] * 2, np.arange(60.0)
    cohort = cohort.assign(**change)
    with pytest.raises(error, match=message):
        fitted(cohort, formula)


def test_a_level_of_one_infant_is_refused(cohort):
    cohort.loc[3, "sex"] = "X"
    with pytest.raises(BGPVSError, match="rests on sub-003 alone"):
        fitted(cohort, "pvs_volume ~ age + sex")


def test_repeated_sessions_need_groups():
    table = make_cohort(np.random.default_rng(0), 30, sessions=2)
    for groups in ("", "site"):
        with pytest.raises(UsageError, match=r"several sessions.*--groups subject"):
            fitted(table, "pvs_volume ~ age", groups=groups)
    model = fitted(table, "pvs_volume ~ age", groups="subject")
    assert model.fit.kind == "mixed"
    assert (model.infants, len(model.rows)) == (30, 60)
    assert "A random intercept for each subject (30)" in methods_paragraph([model], {})


def test_only_counts_are_counts(cohort):
    assert fitted(cohort, "pvs_count ~ age").fit.kind == "negative binomial"
    assert fitted(cohort, "pvs_count ~ age", family="gaussian").fit.kind == "least squares"
    with pytest.raises(UsageError, match="is no count"):
        fitted(cohort, "pvs_volume ~ age", family="negative-binomial")
    with pytest.raises(UsageError, match="as they are"):
        fitted(cohort, "sqrt(pvs_count) ~ age", family="negative-binomial")


def test_doubts_are_said(cohort):
    cohort["twin"] = cohort["age"] + np.random.default_rng(0).normal(0, 1, 60)
    cohort["scanner"] = np.arange(60) % 4 + 1.0
    cohort.loc[0, ["age", "pvs_volume"]] = [400.0, 500.0]
    told = " ".join(fitted(cohort, "pvs_volume ~ age + scanner + sex + group + site").doubts)
    assert "scanner is only ever 1, 2, 3 and 4" in told
    assert "fewer than 10 for each" in told
    assert "hang on sub-000" in told
    assert "variance inflation" in " ".join(fitted(cohort[1:], "pvs_volume ~ age + twin").doubts)


def test_sentences_say_what_is_more_of_what(cohort):
    model = fitted(cohort, "pvs_volume ~ age + bg_volume + group")
    told = sentences(model, terms_table([model]))
    assert told[0].startswith("group b against a goes with ")
    assert "mm³ more PVS volume (95 % interval" in told[1]
    assert told[1].startswith("A week of age goes with ")
    assert "60 infants)" in told[1]
    assert told[2].startswith("A mL of BG volume goes with ")
    cohort["pvs_volume"] = cohort["pvs_volume"].clip(lower=1)
    model = fitted(cohort, "log(pvs_volume) ~ age + site")
    told = sentences(model, terms_table([model]))
    assert " % " in told[-1]
    assert any(line.startswith("site as a whole: F(2, 56)") for line in told)


def test_a_curve_is_told_as_a_whole(cohort):
    model = fitted(cohort, "pvs_volume ~ bs(age, df=3)")
    (told,) = sentences(model, terms_table([model]))
    assert told.startswith("bs(age, df=3) as a whole: F(3, 56) = ")


def test_regions_are_corrected_together():
    table = make_cohort(np.random.default_rng(2), 50, regions=("Caudate", "Putamen", "Pallidum"))
    formula = read_formula("pvs_volume ~ age", list(table.columns))
    models = [fit_region(table, name, formula) for name in ("Caudate", "Putamen", "Pallidum")]
    ages = terms_table(models).query("term == 'age'")
    assert (ages["p_fdr"] >= ages["p"]).all()
    assert terms_table(models).query("term == 'Intercept'")["p_fdr"].isna().all()
    assert "false discovery rate" in methods_paragraph(models, {})


def test_sites_are_compared_with_the_infants_of_all(cohort):
    # Infants of site y are older; their scanner shows 3 mm3 more.
    cohort.loc[cohort["site"] == "y", "age"] += 20
    cohort["pvs_volume"] = 0.2 * cohort["age"] + 3.0 * (cohort["site"] == "y")
    cohort["pvs_volume"] += np.random.default_rng(0).normal(0, 0.3, 60)
    sites, why = compare_sites(cohort, fitted(cohort, "pvs_volume ~ age"), "auto")
    assert not why
    adjusted = sites.set_index("site")["adjusted"]
    assert adjusted["y"] - adjusted["x"] == pytest.approx(3.0, abs=0.3)
    assert sites["p_sites"].iloc[0] < 0.001
    raw = sites.set_index("site")["mean"]
    assert raw["y"] - raw["x"] > 5
