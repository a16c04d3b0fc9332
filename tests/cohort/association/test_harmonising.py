"""Sites that measure differently, made alike: what is taken away, what is kept, what is refused."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from toy_association import make_cohort

from bgpvs_wf.cohort.association.formula import read_formula
from bgpvs_wf.cohort.association.model import fit_region
from bgpvs_wf.cohort.association.sites import HARMONISED_COLUMNS, compare_sites
from bgpvs_wf.cohort.association.telling.methods import methods_paragraph
from bgpvs_wf.errors import BGPVSError, UsageError

REGIONS = ("BG", "Caudate", "Pallidum", "Putamen", "Thalamus")
FORMULA = "pvs_volume ~ age + group"
installed = pytest.mark.skipif(
    importlib.util.find_spec("combatlearn") is None,
    reason="combatlearn is not installed (the extra harmonise)",
)


def cohort(seed=0, infants=120, *, offset=0.0, scale=1.0):
    """Infants of three sites in five regions; `y` measures more, and noisier."""
    table = make_cohort(np.random.default_rng(seed), infants, regions=REGIONS)
    there = table["site"] == "y"
    expected = 10 + 4.0 * (table["group"] == "b") + 0.2 * (table["age"] - 60)
    away = table["pvs_volume"] - expected
    table.loc[there, "pvs_volume"] = (expected + scale * away + offset)[there]
    return table


def fitted(table, text=FORMULA, **options):
    return fit_region(table, "BG", read_formula(text, list(table.columns)), **options)


def effects(model):
    return dict(zip(model.design.names, model.fit.estimates, strict=True))


@installed
def test_offset_and_scale_of_a_site_are_taken_away_and_effects_kept():
    table = cohort(offset=8.0, scale=2.5)
    model = fitted(table, over="site")
    low, high = model.fit.intervals()
    for name, truth in (("age", 0.2), ("group[T.b]", 4.0)):
        place = model.design.names.index(name)
        assert low[place] < truth < high[place]
    raw, alike = fitted(table), model
    assert alike.fit.errors[1] < 0.7 * raw.fit.errors[1]
    at_y = (model.rows["site"] == "y").to_numpy()
    away = model.design.outcome - model.design.matrix @ model.fit.estimates
    assert away[at_y].mean() == pytest.approx(away[~at_y].mean(), abs=0.5)
    assert away[at_y].std() == pytest.approx(away[~at_y].std(), rel=0.25)
    assert model.harmonised.features == REGIONS
    assert model.harmonised.sites == {"x": 40, "y": 40, "z": 40}


@installed
def test_sites_that_are_alike_stay_as_they_are():
    table = cohort(1)
    model, raw = fitted(table, over="site"), fitted(table)
    for name, value in effects(raw).items():
        error = raw.fit.errors[raw.design.names.index(name)]
        assert effects(model)[name] == pytest.approx(value, abs=0.3 * error)
    assert np.corrcoef(model.design.outcome, raw.design.outcome)[0, 1] > 0.98


@installed
def test_chance_is_not_found_more_often():
    found = 0
    for seed in range(60):
        table = cohort(1000 + seed, 60, offset=6.0)
        coins = np.random.default_rng(seed).permutation(60) % 2
        table["coin"] = np.where(coins[table["subject"].astype(int)], "yes", "no")
        model = fitted(table, "pvs_volume ~ age + coin", over="site")
        found += model.fit.p[model.design.names.index("coin[T.yes]")] < 0.05
    assert found <= 7


@installed
def test_the_table_of_sites_has_before_and_after():
    table = cohort(offset=8.0)
    sites, why = compare_sites(table, fitted(table, over="site"), "auto")
    assert not why
    by_site = sites.set_index("site")
    assert by_site.loc["y", "adjusted"] - by_site.loc["x", "adjusted"] == pytest.approx(8, abs=1.5)
    assert np.ptp(by_site["adjusted_harmonised"]) < 0.6
    assert set(HARMONISED_COLUMNS) < set(sites.columns)
    assert not set(HARMONISED_COLUMNS) & set(compare_sites(table, fitted(table), "auto")[0].columns)


@installed
def test_methods_and_doubts_say_it():
    table = cohort(offset=8.0)
    model = fitted(table, "log(pvs_volume) ~ age + bg_volume", over="site")
    told = methods_paragraph([model], {})
    assert "harmonised over site (x, n = 40, y, n = 40 and z, n = 40) by ComBat" in told
    assert "combatlearn 2" in told
    assert "bg_volume may differ between sites, too" in " ".join(model.doubts)
    assert (model.rows["pvs_volume"] > 0).all()
    alone = fitted(table[table["region"] == "BG"], over="site")
    assert "without empirical Bayes" in methods_paragraph([alone], {})
    assert "harmonised" not in methods_paragraph([fitted(table)], {})


@installed
@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("pvs_count ~ age", {}, "is a count"),
        ("pvs_count ~ age", {"family": "gaussian"}, "is a count"),
        ("pvs_volume ~ age + site", {}, "site is in the formula"),
        ("pvs_volume ~ age", {"groups": "site"}, "rows depend on each other"),
        ("pvs_volume ~ country", {}, "and site cannot be told apart"),
        ("pvs_volume ~ clinic", {}, "p would be too small"),
    ],
)
def test_what_makes_no_sense_is_refused(formula, options, message):
    table = cohort()
    table["country"] = np.where(table["site"] == "y", "far", "near")
    number = table["subject"].astype(int)
    table["clinic"] = np.where((table["site"] == "y") ^ (number % 10 == 0), "a", "b")
    with pytest.raises(BGPVSError, match=message):
        fitted(table, formula, over="site", **options)


@installed
def test_a_site_of_few_is_refused():
    table = cohort()
    number = table["subject"].astype(int)
    table = table[(table["site"] != "z") | (number < 20)]
    with pytest.raises(BGPVSError, match=r"z \(6\) of site have fewer than 10 infants"):
        fitted(table, over="site")
    with pytest.raises(BGPVSError, match="All rows are of one site"):
        fitted(table[table["site"] == "x"], over="site")


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'bgpvs-wf\[harmonise\]'"):
        fitted(cohort(), over="site")
