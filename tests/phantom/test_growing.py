from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.bids.ages import AgeReader
from bgpvs_wf.cli.main import main
from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.growing.dataset import parse_sessions, simulate_growing_dataset
from bgpvs_wf.phantom.growing.infant import simulate_growing
from bgpvs_wf.phantom.growing.lives import draw_life
from bgpvs_wf.phantom.protocol import plain

AGES = [44.3, 66.1]


@pytest.fixture(scope="module")
def infant():
    return simulate_growing(AGES, seed=3, protocol=plain(2.0, hindbrain=False), n_tubes=8)


def test_the_same_tissue_has_the_same_tube(infant):
    first, last = (
        dict(zip(numbers, one.tubes, strict=True))
        for numbers, one in zip(infant.numbers, infant.sessions, strict=True)
    )
    both = first.keys() & last.keys()
    assert both
    for number in both:
        moved = infant.carry(first[number].points, 0, 1)
        assert np.abs(moved - last[number].points).max() < 0.01


def test_tubes_lie_in_the_nuclei_at_every_age(infant):
    for one, brain in zip(infant.sessions, infant.brains, strict=True):
        for tube in one.tubes:
            x, y, z = tube.points.T
            found = brain.nuclei(brain.to_template((x, y, z)))
            bg = np.minimum.reduce([d for name, d in found.items() if name != "thalamus"])
            assert (bg < -0.3).all()


def test_the_head_grows_and_lies_elsewhere(infant):
    first, last = (np.count_nonzero(np.isin(one.dseg, BG_LABELS)) for one in infant.sessions)
    assert last > 1.2 * first
    assert np.linalg.norm(infant.brains[0].shift - infant.brains[1].shift) > 0.5


def test_lives_come_go_and_widen():
    rng = np.random.default_rng(0)
    lives = [draw_life([44.0, 66.0, 92.0], rng) for _ in range(400)]
    comes = np.mean([not life.present[0] for life in lives])
    goes = np.mean([not life.present[-1] for life in lives])
    assert 0.1 < comes < 0.2
    assert 0.1 < goes < 0.2
    assert all(any(life.present) for life in lives)
    assert all(life.width[-1] == 1 for life in lives)
    assert max(life.width[0] for life in lives) < 1.3


def test_ages_have_to_rise():
    with pytest.raises(UsageError, match="each above"):
        simulate_growing([60.0, 50.0], seed=1)
    with pytest.raises(UsageError, match="--sessions 6m: give two"):
        parse_sessions("--sessions", "6m")
    assert list(parse_sessions("--sessions", "1.5m,6m")) == ["1p5m", "6m"]


def test_truth_says_the_same_as_the_label_maps(tmp_path):
    out = simulate_growing_dataset(
        tmp_path / "bids",
        n_subjects=1,
        sessions={"1m": 44.3, "6m": 66.1},
        seed=2,
        protocol=plain(1.5, hindbrain=False),
    )
    truth = out / "derivatives" / "truth" / "sub-01"
    table = pd.read_csv(truth / "sub-01_tubes.tsv", sep="\t")
    assert table.groupby("tube").size().eq(2).all()
    for session, rows in table.groupby("session_id"):
        stem = truth / str(session) / "anat" / f"sub-01_{session}_desc-pvs_"
        labels = np.asarray(nib.load(f"{stem}dseg.nii.gz").dataobj)
        objects = pd.read_csv(f"{stem}objects.tsv", sep="\t").set_index("tube")
        there = rows[rows["present"] == 1].set_index("tube")
        assert set(np.unique(labels)) - {0} <= set(there.index)
        assert list(objects.index) == list(there.index)
        assert np.allclose(objects["volume_mm3"], there["volume_mm3"], atol=1e-3)
        assert (rows.loc[rows["present"] == 0, "volume_mm3"] == 0).all()
    assert AgeReader([out]).read("01", "6m", only_session=False).weeks == pytest.approx(66.1)


def test_same_seed_same_bytes_whatever_the_jobs(tmp_path):
    sizes = "voxel_mm = [4.0, 4.0, 4.0]"
    preset = tmp_path / "coarse.toml"
    preset.write_text(f'base = "plain"\nhindbrain = false\n[t2w]\n{sizes}\n[t1w]\n{sizes}\n')
    arguments = ["--sessions", "1m,6m", "--subjects", "2", "--tubes", "2", "--preset", str(preset)]
    for name, jobs in (("one", "1"), ("two", "2")):
        assert main(["simulate", str(tmp_path / name), *arguments, "--jobs", jobs]) == 0
    files = [p for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert any(path.name == "sub-02_ses-6m_T2w.nii.gz" for path in files)
    for path in files:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path


def test_what_fixes_one_age_cannot_be_given(tmp_path, capsys):
    arguments = ["simulate", str(tmp_path / "out"), "--sessions", "1m,6m", "--ages", "3m"]
    assert main(arguments) == 2
    assert "--ages cannot be given with --sessions" in capsys.readouterr().err


@pytest.mark.parametrize("absurd", [{"n_subjects": 0}, {"jobs": 0}, {"seed": -1}])
def test_numbers_that_make_no_dataset_are_refused(tmp_path, absurd):
    asked = {"n_subjects": 1, "seed": 1, "sessions": {"6m": 66.1, "12m": 92.2}} | absurd
    with pytest.raises(UsageError, match=r"ask for one or more|from 0 up"):
        simulate_growing_dataset(tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()
