from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.cohort.advice import advise
from bgpvs_wf.cohort.age_gap import looked_age_weeks, other_age
from bgpvs_wf.cohort.outliers import deviations, far_off, protocols
from bgpvs_wf.cohort.quality import quality_of_cohort, read_quality
from bgpvs_wf.cohort.ratings import Rating, read_ratings
from bgpvs_wf.errors import TableError


def cohort(count: int = 40, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Measures of infants of 30 weeks to 24 months, and volumes of their basal ganglia."""
    rng = np.random.default_rng(seed)
    ages = np.exp(np.linspace(np.log(30), np.log(144), count))
    rows = [
        {
            "subject": f"{number:02d}",
            "session": None,
            "age_weeks": age,
            "voxel_mm3": 0.512 * (1 + 0.001 * rng.normal()),
            "t2w_snr": 50 + 0.1 * age + rng.normal(0, 2),
            "t1w_snr": 35 + rng.normal(0, 1),
            "t2w_fwhm_mm": 2 + 0.01 * age + rng.normal(0, 0.05),
            "t2w_contrast_percent": 40 - 12 * np.log(age) + rng.normal(0, 0.4),
            "t1w_contrast_percent": -50 + 14 * np.log(age) + rng.normal(0, 0.4),
            "putamen_asymmetry_percent": rng.normal(0, 6),
        }
        for number, age in enumerate(ages)
    ]
    volumes = 4000 * np.log(ages / 20) * np.exp(rng.normal(0, 0.06, count))
    return pd.DataFrame(rows), volumes


def judged(table: pd.DataFrame, volumes: np.ndarray, doubts=None):
    quality = quality_of_cohort(table.to_dict("records"), volumes)
    return quality, advise(quality, doubts or [[]] * len(table))


def test_of_a_cohort_without_faults_nearly_nobody_is_told():
    told = 0
    for seed in range(5):
        _, advised = judged(*cohort(seed=seed))
        told += sum(advice != "good" for advice, _ in advised)
    assert told <= 4  # of 200


@pytest.mark.parametrize(
    ("measure", "value", "said"),
    [
        ("t2w_snr", 22.0, "The T2w is noisier than others: 22, where"),
        ("t2w_fwhm_mm", 3.95, "The T2w is more blurred than others: 3.95 mm, where"),
        ("putamen_asymmetry_percent", -60.0, "Left and right putamen differ more than in others"),
    ],
)
def test_who_lies_far_from_others_is_told_once(measure, value, said):
    table, volumes = cohort()
    table.loc[9, measure] = value
    _, advised = judged(table, volumes)
    advice, (reason,) = advised[9]
    assert (advice, reason.measure) == ("look", measure)
    assert reason.sentence.startswith(said)


def test_a_wrong_age_is_told_with_the_one_that_it_looks_like():
    table, volumes = cohort()
    true = table.loc[12, "age_weeks"]
    table.loc[12, "age_weeks"] = true + 26
    quality, advised = judged(table, volumes)
    reasons = {reason.measure: reason.sentence for reason in advised[12][1]}
    assert quality.loc[12, "looked_age_weeks"] == pytest.approx(true, rel=0.08)
    assert "check the age" in reasons["looked_age_weeks"]


def test_unusual_volumes_are_told():
    table, volumes = cohort()
    volumes[30] *= 0.5
    quality, advised = judged(table, volumes)
    assert quality.loc[30, "bg_volume_z"] < -4
    assert any("smaller than those of others" in one.sentence for one in advised[30][1])


def test_bounds_make_bad_and_what_was_said_is_said_once():
    table, volumes = cohort()
    table.loc[3, "t2w_snr"] = 4.0
    sentence = "The T2w is noisy: its signal is 4 times the noise."
    _, advised = judged(
        table, volumes, [["It is odd.", sentence] if n == 3 else [] for n in range(40)]
    )
    advice, reasons = advised[3]
    assert advice == "bad"
    assert [one.sentence for one in reasons] == ["It is odd.", sentence]
    assert [one.measure for one in reasons] == ["", "t2w_snr"]


def test_small_groups_and_other_protocols_are_compared_with_nobody():
    table, volumes = cohort(10)
    table.loc[2, "t2w_fwhm_mm"] = 3.9
    assert all(advice == "good" for advice, _ in judged(table, volumes)[1])
    table, volumes = cohort()
    table.loc[7, ["voxel_mm3", "t2w_fwhm_mm"]] = 1.0, 3.9
    assert judged(table, volumes)[1][7][0] == "good"
    table.loc[5, "t1w_snr"] = np.nan
    assert sorted(map(len, protocols(table.assign(t2w_snr=50.0)))) == [1, 1, 38]


def test_nobody_has_an_age_or_a_measure():
    table, volumes = cohort()
    table["age_weeks"] = np.nan
    quality, _ = judged(table, volumes)
    assert quality["looked_age_weeks"].isna().all()
    bare = table[["subject", "session", "age_weeks"]]
    assert [advice for advice, _ in judged(bare, volumes)[1]] == ["good"] * 40


def test_a_curve_is_followed_and_outliers_do_not_bend_it():
    rng = np.random.default_rng(5)
    ages = np.linspace(30, 140, 60)
    values = np.sin(ages / 40) + rng.normal(0, 0.02, 60)
    values[[5, 25, 45]] += 1.0
    differences, spread = deviations(values, ages)
    assert spread == pytest.approx(0.02, rel=1.0)
    assert set(np.flatnonzero(far_off(differences, spread, side="high", least=0.3))) == {5, 25, 45}
    assert not far_off(differences, spread, side="low", least=0.3).any()
    assert np.isnan(deviations(values[:5], ages[:5])[0]).all()


def test_ages_are_seen_in_features_that_change():
    rng = np.random.default_rng(6)
    ages = np.exp(rng.uniform(np.log(30), np.log(140), 50))
    features = np.column_stack([np.log(ages) + rng.normal(0, 0.03, 50), rng.normal(0, 1, 50)])
    said = ages.copy()
    said[4] *= 1.5
    looked, surer = looked_age_weeks(features, said, np.array([0.02, 0.5]))
    assert looked[4] == pytest.approx(ages[4], rel=0.1)
    assert list(np.flatnonzero(other_age(looked, surer, said))) == [4]


def test_ratings_are_read_as_the_page_writes_them(tmp_path):
    path = tmp_path / "ratings.tsv"
    path.write_text(
        "participant_id\tsession_id\trating\tnote\trated\n"
        "sub-01\tn/a\texclude\tmoved a lot\t2026-01-02T03:04:05Z\n"
        "02\tses-3m\tkeep\tn/a\tn/a\nsub-03\tn/a\tn/a\tlook again\tn/a\n"
    )
    assert read_ratings(path) == {
        "sub-01": Rating("exclude", "moved a lot", "2026-01-02T03:04:05Z"),
        "sub-02_ses-3m": Rating("keep"),
        "sub-03": Rating("", "look again"),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("participant_id\nsub-01\n", "no column 'rating'"),
        ("participant_id\trating\nsub-01\tbad\n", "the rating 'bad' in line 2; give one of keep"),
        ("participant_id\trating\nsub-01\tkeep\n01\tkeep\n", "has sub-01 twice (line 3)"),
        ("participant_id\trating\nn/a\tkeep\n", "names nobody in line 2"),
    ],
)
def test_ratings_that_cannot_be_are_named(tmp_path, text, why):
    path = tmp_path / "ratings.tsv"
    path.write_text(text)
    with pytest.raises(TableError) as error:
        read_ratings(path)
    assert why in str(error.value)


def test_a_damaged_table_of_quality_is_named(tmp_path):
    path = tmp_path / "sub-01_desc-bgpvs_quality.tsv"
    path.write_text("t2w_snr\tmargin_mm\n50\tn/a\n")
    assert read_quality(path)["t2w_snr"] == 50
    assert np.isnan(read_quality(path)["margin_mm"])
    path.write_text("t2w_snr\nmany\n")
    with pytest.raises(TableError, match="no number"):
        read_quality(path)
    path.write_text("t2w_snr\n1\n2\n")
    with pytest.raises(TableError, match="2 rows instead of one"):
        read_quality(path)
