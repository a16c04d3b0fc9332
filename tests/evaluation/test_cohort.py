from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from bgpvs_wf.errors import BGPVSError, UsageError
from bgpvs_wf.evaluation import evaluate, paper_table, tables_from_cases, write_tables
from bgpvs_wf.evaluation.case_files import find_cases
from bgpvs_wf.evaluation.score_tables import TABLES

WHO = ("sub-01", "sub-02_ses-a", "sub-02_ses-b", "sub-03")


@pytest.fixture
def scored(cohort):
    """Return a cohort with truth, a good method and one that misses the thinnest tubes."""
    for i, who in enumerate(WHO):
        truth = cohort.labels(lines=2 + i % 3)
        cohort.save("truth", who, truth)
        cohort.save("truth", who, np.where(truth == 2, 0.9, 0.0), "label-PVS_probseg")
        cohort.add_tubes(who, truth)
        cohort.save("good", who, truth)
        poor = truth.copy()
        poor[2][poor[2] == 2] = 1
        cohort.save("poor", who, poor)
    return cohort


def folders(cohort, *methods):
    return {name: cohort.root / name for name in methods}


def test_tables_are_complete(scored, tmp_path):
    tables = evaluate(
        scored.root / "truth", folders(scored, "poor", "good"), proposed="good", seed=1
    )
    assert tables.problems == ()
    assert tables.methods == ["poor", "good"]
    for name, columns in TABLES.items():
        assert list(getattr(tables, name).columns) == list(columns), name
    cases = tables.cases
    assert len(cases) == len(WHO) * 2 * 2
    sessions = cases[["subject", "session"]].drop_duplicates()["session"]
    assert sessions.fillna("none").tolist() == ["none", "a", "b", "none"]
    good = cases[cases["method"] == "good"]
    assert (good["dice"] == 1).all()
    poor = cases[(cases["method"] == "poor") & (cases["structure"] == "BG-PVS")]
    assert (poor["predicted_count"] == poor["reference_count"] - 1).all()
    assert (poor["cluster_ppv"] == 1).all()
    # Only the thinnest tube of each infant is missed.
    tubes = tables.tubes[tables.tubes["method"] == "poor"]
    assert (tubes["detected"] == (tubes["diameter_mm"] > 0.6)).all()
    assert set(tables.comparison["method"]) == {"poor"}
    agreement = tables.agreement.set_index(["method", "measure"])
    assert agreement.loc[("good", "PVS count"), "icc2_1"] == 1
    assert agreement.loc[("poor", "PVS count"), "bias"] == pytest.approx(-1)
    true = poor["true_mm3"].to_numpy()
    assert true == pytest.approx(0.9 * poor["reference_mm3"].to_numpy())
    expected = np.mean(np.abs(poor["predicted_mm3"].to_numpy() - true))
    assert agreement.loc[("poor", "PVS volume"), "mae"] == pytest.approx(expected)
    bg = cases[(cases["method"] == "poor") & (cases["structure"] == "BG")]
    shares = poor["predicted_mm3"].to_numpy() / bg["predicted_mm3"].to_numpy()
    shares -= true / bg["reference_mm3"].to_numpy()
    assert agreement.loc[("poor", "PVS fraction"), "bias"] == pytest.approx(shares.mean())

    written = write_tables(tables, tmp_path / "out")
    assert {path.name for path in written} == {f"evaluation_{name}.tsv" for name in TABLES}
    back = pd.read_csv(tmp_path / "out" / "evaluation_cases.tsv", sep="\t", na_values=["n/a"])
    assert back["dice"].to_numpy() == pytest.approx(cases["dice"].to_numpy(float), rel=1e-5)
    for path in written:
        described = json.loads(path.with_suffix(".json").read_text())
        header = path.read_text().splitlines()[0].split("\t")
        assert list(described) == header
        assert "nan" not in path.read_text().lower()
        for name in header:
            assert ("Units" in described[name]) == name.endswith(("_mm", "_mm3")), name


def test_same_seed_same_tables(scored):
    first, second = (
        evaluate(scored.root / "truth", folders(scored, "poor"), seed=2) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.smallest, second.smallest)
    assert first.proposed == ""
    assert len(first.comparison) == 0


def test_true_volume_is_by_voxels_unless_every_case_has_occupancy(scored):
    scored.path("truth", "sub-03", "label-PVS_probseg.nii.gz").unlink()
    tables = evaluate(scored.root / "truth", folders(scored, "good"))
    agreement = tables.agreement.set_index("measure")
    assert agreement.loc["PVS volume", "mae"] == 0
    assert tables.cases["true_mm3"].notna().sum() == 3


def measure_fluid(cohort, who, volumes):
    """Write what `bgpvs-wf run` writes of PVS: their numbers, and the fluid of each."""
    labels = np.asarray(nib.load(cohort.path("good", who, "desc-bgpvs_dseg.nii.gz")).dataobj)
    numbers = ndimage.label(labels == 2)[0]
    cohort.save("good", who, numbers.astype(np.uint8), "desc-pvs_dseg")
    table = pd.DataFrame({"index": np.arange(1, 1 + len(volumes)), "volume_tube_mm3": volumes})
    path = cohort.path("good", who, "desc-pvs_objects.tsv")
    table.assign(region="Putamen").to_csv(path, sep="\t", index=False, na_rep="n/a")


def test_volume_of_fluid_is_compared_with_the_true_one(scored):
    volumes = [[3.0, 4.0], [1.0, 2.0, 0.5], [2.0, 2.5, 1.0, 0.25], [5.0, 0.0]]
    for who, of_pvs in zip(WHO, volumes, strict=True):
        measure_fluid(scored, who, of_pvs)
    ignored = np.zeros_like(scored.labels())
    first = np.asarray(nib.load(scored.path("good", WHO[0], "desc-pvs_dseg.nii.gz")).dataobj)
    ignored[np.nonzero(first == 2)[0][0]] = 1
    scored.save("truth", WHO[0], ignored, "desc-ignore_mask")
    left = 1 - np.mean(ignored[first == 2])
    tables = evaluate(scored.root / "truth", folders(scored, "good", "poor"))
    assert tables.problems == ()
    cases = tables.cases.query("structure == 'BG-PVS'").set_index("method")
    found = cases.loc["good", "predicted_tube_mm3"].to_numpy()
    assert found == pytest.approx([3 + 4 * left, 3.5, 5.75, 5])
    assert cases.loc["poor", "predicted_tube_mm3"].isna().all()
    agreement = tables.agreement.set_index(["method", "measure"])
    bias = np.mean(found - cases.loc["good", "true_mm3"].to_numpy())
    row = agreement.loc[("good", "PVS tube volume")]
    assert (row["n"], row["bias"]) == (4, pytest.approx(bias))
    assert ("poor", "PVS tube volume") not in agreement.index
    assert ("poor", "PVS volume") in agreement.index
    table = paper_table(tables.summary, tables.comparison, tables.agreement).set_index("method")
    assert table.loc["good", "PVS tube volume MAE (mm3)"] == f"{row['mae']:.3g}"
    assert table.loc["poor", "PVS tube volume MAE (mm3)"] == "n/a"


@pytest.mark.parametrize("broken", ["not measured", "no numbers", "other columns"])
def test_fluid_that_was_not_measured_is_missing(scored, broken):
    measure_fluid(scored, "sub-03", [1.0, np.nan] if broken == "not measured" else [1.0, 1.0])
    if broken == "no numbers":
        scored.path("good", "sub-03", "desc-pvs_dseg.nii.gz").unlink()
    if broken == "other columns":
        scored.path("good", "sub-03", "desc-pvs_objects.tsv").write_text("tube\n1\n")
    tables = evaluate(scored.root / "truth", folders(scored, "good"))
    assert tables.problems == ()
    assert tables.cases["predicted_tube_mm3"].isna().all()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a\tb", "no table of tubes"),
        ("1\t2", "same PVS"),
        ("1\t2\n1\t2\n2\t2", "same PVS"),
        ("1\t2\n2\tinf", "holds 'inf', no number, in line 3, column 'volume_tube_mm3'"),
        ("1\t2\n2\t-2", "holds '-2', below 0"),
        ("1\t2\n2.5\t2", "holds '2.5', no whole number, in line 3, column 'index'"),
        ("1\t2\n2", "line 3 has 1 field where the header has 2"),
        ("1\t2\0", "line 2 has NUL bytes"),
    ],
)
def test_a_broken_table_of_pvs_costs_only_their_fluid(scored, table, message):
    measure_fluid(scored, "sub-01", [1.0, 1.0])
    measure_fluid(scored, "sub-03", [1.0, 1.0])
    path = scored.path("good", "sub-03", "desc-pvs_objects.tsv")
    path.write_text(f"index\tvolume_tube_mm3\n{table}\n")
    tables = evaluate(scored.root / "truth", folders(scored, "good"))
    assert len(tables.problems) == 1
    assert "sub-03, good" in tables.problems[0]
    assert message in tables.problems[0]
    pvs = tables.cases.query("structure == 'BG-PVS'").set_index("subject")
    assert pvs["dice"].notna().all()
    assert pvs["predicted_tube_mm3"].notna().sum() == 1


def test_a_subject_with_problems_harms_no_other(scored):
    scored.path("good", "sub-01", "desc-bgpvs_dseg.nii.gz").unlink()
    scored.path("poor", "sub-02_ses-a", "desc-bgpvs_dseg.nii.gz").write_bytes(b"junk")
    moved = nib.load(scored.path("good", "sub-02_ses-b", "desc-bgpvs_dseg.nii.gz"))
    affine = moved.affine.copy()
    affine[0, 3] += 0.3
    scored.save("good", "sub-02_ses-b", np.asarray(moved.dataobj), affine=affine)
    scored.save("truth", "sub-03", np.full(moved.shape, 7, np.uint8))
    tables = evaluate(scored.root / "truth", folders(scored, "good", "poor"), proposed="good")
    assert len(tables.problems) == 4
    assert all("\n" not in line for line in tables.problems)
    texts = dict(line.split(": ", 1) for line in tables.problems)
    assert "run the subject" in texts["sub-01, good"]
    assert "gzip" in texts["sub-02_ses-a, poor"]
    assert "another grid" in texts["sub-02_ses-b, good"]
    assert "labels beyond 0" in texts["sub-03, reference"]
    cases = tables.cases.set_index(["method", "subject"])
    assert "03" not in set(tables.cases["subject"])  # there is nothing to compare it with
    assert cases.loc[("good", "01"), "dice"].isna().all()  # missing, not zero
    assert cases.loc[("poor", "01"), "dice"].notna().all()
    row = tables.summary.query("method == 'good' and structure == 'BG' and metric == 'dice'")
    assert row[["n", "missing"]].to_numpy().tolist() == [[1, 2]]
    assert set(tables.comparison["dropped"]) == {3}
    assert set(tables.tubes.query("method == 'good'")["session"]) == {"a"}


def test_other_broken_files_of_the_reference_are_named(scored):
    scored.path("truth", "sub-01", "desc-pvs_objects.tsv").write_text("tree\n1\n")
    scored.path("truth", "sub-02_ses-a", "desc-pvs_objects.tsv").write_text("tube\nx\n")
    scored.save("truth", "sub-02_ses-b", np.full((12, 16, 10), 1.5), "label-PVS_probseg")
    scored.save("truth", "sub-03", np.zeros((12, 16, 9), np.uint8), "desc-ignore_mask")
    scored.save("truth", "sub-04", scored.labels() * 0)
    scored.save("truth", "sub-05", scored.labels())
    scored.save("good", "sub-05", scored.labels())
    tables = evaluate(scored.root / "truth", folders(scored, "good"))
    assert tables.cases["subject"].unique().tolist() == ["05"]
    reasons = ["column tube", "no table of tubes", "beyond 0 to 1", "another grid", "no basal"]
    for reason, line in zip(reasons, tables.problems, strict=True):
        assert reason in line


def test_nuclei_alone_score_the_bg(cohort):
    nuclei = np.where(cohort.labels() > 0, 51, 0).astype(np.int16)
    nuclei[3:5] = np.where(nuclei[3:5] > 0, 49, 0)  # thalamus, which is no BG
    path = cohort.save("truth", "sub-01", nuclei, "desc-nuclei_dseg")
    path.rename(cohort.root / "truth" / path.name)  # files directly in the folder
    cohort.save("full", "sub-01", cohort.labels())
    cohort.save("same", "sub-01", nuclei, "desc-nuclei_dseg")
    tables = evaluate(cohort.root / "truth", folders(cohort, "full", "same"))
    assert tables.problems == ()
    assert tables.cases["structure"].tolist() == ["BG", "BG"]
    assert tables.cases["recall"].tolist() == [1, 1]
    assert tables.cases["ppv"].tolist() == pytest.approx([8 / 10, 1])
    assert set(tables.agreement["measure"]) == {"BG volume"}
    # The other way round the PVS are missing, and that is said.
    tables = evaluate(cohort.root / "full", folders(cohort, "truth"))
    assert "only its BG" in tables.problems[0]
    assert tables.cases["dice"].isna().tolist() == [False, True]


def test_ignored_voxels_of_a_file_count(scored):
    ignore = np.zeros((12, 16, 10), np.uint8)
    ignore[2] = 1  # the tube that the poor method misses
    for who in WHO:
        scored.save("truth", who, ignore, "desc-ignore_mask")
    tables = evaluate(scored.root / "truth", folders(scored, "poor"))
    assert (tables.cases["dice"] == 1).all()
    assert tables.tubes["detected"].all()


def test_plain_names_come_first_and_hidden_folders_not_at_all(cohort):
    for who in ("sub-01", "sub-01_run-1", "sub-02_run-1"):
        cohort.save("m", who, cohort.labels())
    cohort.save(".cache", "sub-03", cohort.labels())
    found = find_cases(cohort.root)
    names = {key: [p.name for p in files["desc-bgpvs_dseg"]] for key, files in found.items()}
    assert names == {
        ("01", None): ["sub-01_desc-bgpvs_dseg.nii.gz"],
        ("02", None): ["sub-02_run-1_desc-bgpvs_dseg.nii.gz"],
    }


def test_links_to_folders_are_followed_once(cohort):
    cohort.save("m", "sub-01", cohort.labels())
    start = cohort.root / "start"
    start.mkdir()
    (start / "link").symlink_to(cohort.root / "m")
    (cohort.root / "m" / "back").symlink_to(start)
    files = find_cases(start)["01", None]["desc-bgpvs_dseg"]
    assert [path.name for path in files] == ["sub-01_desc-bgpvs_dseg.nii.gz"]


def test_a_plus_belongs_to_the_label(cohort):
    for who in ("sub-A+B_ses-1+2", "sub-A", "sub-AB"):
        cohort.save("truth", who, cohort.labels())
    assert list(find_cases(cohort.root / "truth")) == [("A", None), ("A+B", "1+2"), ("AB", None)]


def test_several_files_are_not_chosen_from(cohort):
    cohort.save("truth", "sub-01", cohort.labels())
    cohort.save("m", "sub-01_run-1", cohort.labels())
    cohort.save("m", "sub-01_run-2", cohort.labels())
    cohort.save("truth", "sub-02", cohort.labels())
    cohort.save("m", "sub-02", cohort.labels())
    tables = evaluate(cohort.root / "truth", folders(cohort, "m"))
    assert "several" in tables.problems[0]
    assert "sub-01_run-2" in tables.problems[0]


def test_wrong_calls_say_what_is_wrong(cohort):
    truth = cohort.root / "truth"
    with pytest.raises(UsageError, match="no folder"):
        evaluate(truth, folders(cohort, "m"))
    cohort.save("truth", "sub-01", cohort.labels())
    with pytest.raises(UsageError, match="no folder"):
        evaluate(truth, folders(cohort, "m"))
    (cohort.root / "m").mkdir()
    with pytest.raises(UsageError, match="Nothing of"):
        evaluate(truth, folders(cohort, "m"))
    with pytest.raises(UsageError, match="holds no"):
        evaluate(cohort.root / "m", folders(cohort, "truth"))
    with pytest.raises(UsageError, match="none of m"):
        evaluate(truth, folders(cohort, "m"), proposed="x")
    with pytest.raises(UsageError, match="No prediction"):
        evaluate(truth, {})


def test_a_folder_that_cannot_be_read_is_named(cohort, monkeypatch):
    import os

    cohort.save("truth", "sub-01", cohort.labels())

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(BGPVSError, match="Permission denied"):
        find_cases(cohort.root)


def test_a_case_twice_is_refused(scored):
    tables = evaluate(scored.root / "truth", folders(scored, "good"))
    with pytest.raises(ValueError, match="twice"):
        tables_from_cases(pd.concat([tables.cases] * 2), tables.tubes)
    again = tables_from_cases(tables.cases, tables.tubes, seed=0)
    pd.testing.assert_frame_equal(again.agreement, tables.agreement)


def test_real_nuclei_against_themselves_and_shifted(real_data, cohort):
    source = real_data / "reference" / "sub-01_desc-nuclei_dseg.nii.gz"
    image = nib.load(source)
    shifted = np.roll(np.asarray(image.dataobj), 1, axis=0)
    cohort.save("shifted", "sub-01", shifted, "desc-nuclei_dseg", affine=image.affine)
    (cohort.root / "same").mkdir()
    (cohort.root / "same" / source.name).symlink_to(source)
    tables = evaluate(cohort.root / "same", folders(cohort, "same", "shifted"))
    same, moved = tables.cases.to_dict("records")
    assert (same["dice"], same["hausdorff_mm"]) == (1, 0)
    assert same["reference_mm3"] == pytest.approx(10300, rel=0.02)  # sum of its README
    assert moved["dice"] == pytest.approx(0.889, abs=1e-3)
    assert moved["hausdorff_mm"] == moved["hd95_mm"] == pytest.approx(0.8, abs=1e-3)
