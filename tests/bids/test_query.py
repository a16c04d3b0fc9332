from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import UsageError

DATA = Path(os.environ.get("BGPVS_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def only(cohort):
    assert not cohort.problems
    assert len(cohort.subjects) == 1
    return cohort.subjects[0]


def test_a_plain_subject(raw):
    t2w, t1w = raw.image("sub-01_T2w.nii.gz"), raw.image("sub-01_T1w.nii.gz")
    raw.table("participants.tsv", ("participant_id", "age"), ("sub-01", 3), age={"Units": "months"})
    subject = only(find_subjects(raw.config()))
    assert subject == SubjectInputs(
        subject="01", t2w=t2w, t1w=t1w, age_weeks=subject.age_weeks, age_note=subject.age_note
    )
    assert subject.age_weeks == pytest.approx(40 + 3 * 52.1775 / 12)
    assert (subject.label, subject.home, subject.home_image) == ("sub-01", "T2w", t2w)


def test_one_image_is_enough(raw):
    t2w = raw.image("sub-01_T2w.nii.gz")
    t1w = raw.image("sub-02_T1w.nii")
    first, second = find_subjects(raw.config()).subjects
    assert (first.t2w, first.t1w, first.home) == (t2w, None, "T2w")
    assert (second.t2w, second.t1w, second.home) == (None, t1w, "T1w")
    assert second.home_image == t1w


def test_a_subject_without_images_is_a_problem_and_the_others_go_on(raw):
    raw.image("sub-01_T2w.nii.gz")
    raw.image("sub-02_FLAIR.nii.gz")
    cohort = find_subjects(raw.config())
    assert [s.label for s in cohort.subjects] == ["sub-01"]
    assert [p.label for p in cohort.problems] == ["sub-02"]
    assert "sub-02 has no T2w and no T1w image" in cohort.problems[0].message
    assert "\n" not in cohort.problems[0].message


def test_each_session_is_processed_by_itself(raw):
    for session in ("3mo", "12mo"):
        raw.image(f"sub-01_ses-{session}_T2w.nii.gz")
    raw.table(
        "sub-01/sub-01_sessions.tsv",
        ("session_id", "age"), ("ses-3mo", 3), ("ses-12mo", 12),
        age={"Units": "months"},
    )  # fmt: skip
    cohort = find_subjects(raw.config())
    assert [s.label for s in cohort.subjects] == ["sub-01_ses-12mo", "sub-01_ses-3mo"]
    assert [round(s.age_weeks, 1) for s in cohort.subjects] == [92.2, 53.0]
    assert only(find_subjects(raw.config(session_id=("ses-3mo",)))).session == "3mo"


def test_a_session_without_anatomy_is_passed_over_unless_asked_for(raw):
    raw.image("sub-01_ses-a_T2w.nii.gz")
    raw.text("sub-01/ses-b/func/sub-01_ses-b_task-rest_bold.nii.gz")
    assert only(find_subjects(raw.config())).session == "a"
    cohort = find_subjects(raw.config(session_id=("b",)))
    assert not cohort.subjects
    assert cohort.problems[0].label == "sub-01_ses-b"


def test_a_subject_named_without_the_session_asked_for_is_a_problem(raw):
    raw.image("sub-01_ses-a_T2w.nii.gz")
    raw.image("sub-02_ses-b_T2w.nii.gz")
    assert only(find_subjects(raw.config(session_id=("a",)))).subject == "01"
    cohort = find_subjects(raw.config(session_id=("a",), participant_label=("01", "02")))
    assert [s.subject for s in cohort.subjects] == ["01"]
    assert "sub-02 has no session a; it has b" in cohort.problems[0].message


@pytest.mark.parametrize("label", ["02", "sub-02"])
def test_participants_are_found_with_and_without_prefix(raw, label):
    for subject in ("01", "02", "020"):
        raw.image(f"sub-{subject}_T2w.nii.gz")
    assert only(find_subjects(raw.config(participant_label=(label,)))).subject == "02"


def test_unknown_labels_name_the_known_ones(raw):
    for subject in range(12):
        raw.image(f"sub-{subject:02d}_ses-a_T2w.nii.gz")
    with pytest.raises(UsageError, match=r"No participant 99 found; there is 00, 01, .*\(12\)\.$"):
        find_subjects(raw.config(participant_label=("sub-99", "01")))
    with pytest.raises(UsageError, match="No session z found; there is a"):
        find_subjects(raw.config(session_id=("z",)))


def test_a_dataset_without_subjects_is_refused(raw):
    with pytest.raises(UsageError, match="no subjects"):
        find_subjects(raw.config())


# Several images


def test_the_thinnest_slices_win_then_reconstructions_then_the_last_run(raw):
    thick = raw.image("sub-01_acq-thick_T2w.nii.gz", zooms=(0.4, 0.4, 4))
    first = raw.image("sub-01_run-1_T2w.nii.gz")
    last = raw.image("sub-01_run-10_T2w.nii.gz")
    raw.image("sub-01_run-2_T2w.nii.gz")
    raw.image("sub-01_part-phase_T2w.nii.gz", zooms=(0.3, 0.3, 0.3))
    subject = only(find_subjects(raw.config()))
    assert subject.t2w == last
    (note,) = subject.notes
    assert note.startswith(f"T2w: took {last.name}, left ")
    assert thick.name in note
    assert first.name in note
    rebuilt = raw.image("sub-01_rec-SVR_T2w.nii.gz")
    assert only(find_subjects(raw.config())).t2w == rebuilt
    fine = raw.image("sub-01_acq-fine_T2w.nii.gz", zooms=(0.5, 0.5, 0.5))
    assert only(find_subjects(raw.config())).t2w == fine


def test_the_filter_file_overrides_the_choice(raw, tmp_path):
    first = raw.image("sub-01_run-01_T2w.nii.gz")
    raw.image("sub-01_run-02_T2w.nii.gz")
    raw.image("sub-01_acq-mpr_T1w.nii.gz", zooms=(0.5, 0.5, 0.5))
    plain = raw.image("sub-01_T1w.nii.gz")

    def chosen(filters):
        path = tmp_path / "filter.json"
        path.write_text(json.dumps(filters))
        return find_subjects(raw.config(bids_filter_file=path))

    subject = only(chosen({"t2w": {"run": 1}, "t1w": {"acquisition": None}, "bold": {"x": 1}}))
    assert (subject.t2w, subject.t1w) == (first, plain)
    assert only(chosen({"t2w": {"run": ["1", "7"]}})).t2w == first
    assert only(chosen({"t2w": {"run": 7}})).t2w is None
    cohort = chosen({"t2w": {"run": 7}, "t1w": {"acquisition": "x"}})
    assert "filter file" in cohort.problems[0].message
    with pytest.raises(UsageError, match="query 'T2w'; known: t2w, t1w, mask, dseg"):
        chosen({"T2w": {"run": 1}})
    with pytest.raises(UsageError, match="entity 'acq' in 't2w'"):
        chosen({"t2w": {"acq": "x"}})
    with pytest.raises(UsageError, match="must look like"):
        chosen([1])


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], True, 1.5])
def test_a_filter_that_is_no_label_is_refused(raw, value):
    raw.image("sub-01_T2w.nii.gz")
    path = raw.text("../filter.json", json.dumps({"t2w": {"run": value}}))
    with pytest.raises(UsageError, match=r"filter.json asks for run .* in 't2w'; give a label"):
        find_subjects(raw.config(bids_filter_file=path))


def test_a_run_is_asked_for_in_plain_digits(raw):
    raw.image("sub-01_run-1_T2w.nii.gz")
    for value, found in (("01", True), ("²", False), ("١", False)):
        path = raw.text("../filter.json", json.dumps({"t2w": {"run": value}}))
        assert bool(find_subjects(raw.config(bids_filter_file=path)).subjects) == found


def test_a_filter_file_that_cannot_be_read_is_refused(raw, tmp_path):
    raw.image("sub-01_T2w.nii.gz")
    with pytest.raises(UsageError, match="Cannot read the filter file"):
        find_subjects(raw.config(bids_filter_file=tmp_path / "none.json"))
    bad = raw.text("../bad.json", "{")
    with pytest.raises(UsageError, match="not valid JSON"):
        find_subjects(raw.config(bids_filter_file=bad))


# Derivatives


def test_dhcp_derivatives_second_release(raw, derived):
    """Names as in the release: entities out of order, `brainmask`, no descriptions, sessions."""
    base = "sub-CC00083XX10_ses-30900"
    raw.image(f"{base}_rec-SVR_T2w.nii.gz")
    t2w = derived.image(f"{base}_desc-restore_T2w.nii.gz")
    derived.image(f"{base}_T2w.nii.gz")
    t1w = derived.image(f"{base}_desc-restore_space-T2w_T1w.nii.gz")
    derived.image(f"{base}_T1w_biasfield.nii.gz")
    derived.image(f"{base}_desc-drawem9_space-T2w_dseg.nii.gz")
    derived.image(f"{base}_desc-ribbon_space-T2w_dseg.nii.gz")
    dseg = derived.image(f"{base}_desc-drawem87_space-T2w_dseg.nii.gz")
    mask = derived.image(f"{base}_desc-drawem_space-T2w_brainmask.nii.gz")
    derived.image(f"{base}_desc-bet_space-T2w_brainmask.nii.gz")
    derived.table("participants.tsv", ("participant_id", "birth_age"), ("CC00083XX10", 38.1))
    derived.table(
        "sub-CC00083XX10/sub-CC00083XX10_sessions.tsv", ("session_id", "scan_age"), (30900, 40.3)
    )
    subject = only(find_subjects(raw.config(derivatives={"dhcp": derived.root})))
    assert (subject.t2w, subject.t1w) == (t2w, t1w)
    assert (subject.dseg, subject.brain_mask) == (dseg, mask)
    assert subject.preprocessed
    assert subject.t1w_preprocessed
    assert subject.age_weeks == pytest.approx(40.3)


def test_a_derivative_dataset_can_be_the_dataset(raw):
    t2w = raw.image("sub-01_desc-restore_T2w.nii.gz")
    raw.image("sub-01_T2w.nii.gz")
    subject = only(find_subjects(raw.config()))
    assert subject.t2w == t2w
    assert subject.preprocessed


def test_images_resampled_elsewhere_are_not_taken(raw, derived):
    t2w, t1w = raw.image("sub-01_T2w.nii.gz"), raw.image("sub-01_T1w.nii.gz")
    derived.image("sub-01_space-T1w_desc-preproc_T2w.nii.gz")
    derived.image("sub-01_space-MNIInfant_desc-preproc_T1w.nii.gz")
    derived.image("sub-01_space-MNIInfant_desc-aseg_dseg.nii.gz")
    derived.image("sub-01_res-2_desc-preproc_T2w.nii.gz")
    subject = only(find_subjects(raw.config(derivatives={"d": derived.root})))
    assert (subject.t2w, subject.t1w, subject.dseg) == (t2w, t1w, None)
    assert not subject.preprocessed


def test_the_best_dseg_is_taken_with_its_table(raw, derived):
    raw.image("sub-01_T2w.nii.gz")
    config = raw.config(derivatives={"d": derived.root})
    derived.image("sub-01_desc-bgpvs_dseg.nii.gz")
    assert only(find_subjects(config)).dseg is None
    for desc in ("drawem9", "other", "drawem87", "aseg", "nuclei"):
        path = derived.image(f"sub-01_desc-{desc}_dseg.nii.gz")
        assert only(find_subjects(config)).dseg == path
    assert only(find_subjects(config)).dseg_table is None
    general = derived.text("dseg.tsv")
    assert only(find_subjects(config)).dseg_table == general
    derived.text("desc-aseg_dseg.tsv")
    inherited = derived.text("desc-nuclei_dseg.tsv")
    assert only(find_subjects(config)).dseg_table == inherited
    beside = derived.text("sub-01/anat/sub-01_desc-nuclei_dseg.tsv")
    assert only(find_subjects(config)).dseg_table == beside
    chosen = raw.text("../f.json", '{"dseg": {"desc": "aseg"}}')
    subject = only(
        find_subjects(raw.config(derivatives=config.derivatives, bids_filter_file=chosen))
    )
    assert subject.dseg.name == "sub-01_desc-aseg_dseg.nii.gz"
    assert subject.dseg_table.name == "desc-aseg_dseg.tsv"


def test_a_dseg_without_desc_needs_a_table(raw, derived):
    raw.image("sub-01_T2w.nii.gz")
    dseg = derived.image("sub-01_dseg.nii.gz")
    config = raw.config(derivatives={"d": derived.root})
    assert only(find_subjects(config)).dseg is None
    derived.text("dseg.tsv")
    assert only(find_subjects(config)).dseg == dseg


def test_labels_on_the_home_grid_go_first(raw, derived):
    raw.image("sub-01_T2w.nii.gz")
    raw.image("sub-01_T1w.nii.gz", zooms=(1, 1, 1))
    elsewhere = derived.image("sub-01_desc-aseg_dseg.nii.gz", zooms=(1, 1, 1))
    derived.image("sub-01_desc-brain_mask.nii.gz", zooms=(1, 1, 1))
    config = raw.config(derivatives={"smriprep": derived.root})
    subject = only(find_subjects(config))
    assert subject.dseg == elsewhere  # the anatomy stage says that it is on another grid
    assert subject.brain_mask is None
    assert any("another grid" in note for note in subject.notes)
    here = derived.image("sub-01_desc-drawem9_dseg.nii.gz")
    assert only(find_subjects(config)).dseg == here


def test_a_flat_folder_of_labels_will_do(raw, tmp_path):
    raw.image("sub-01_T2w.nii.gz")
    flat = tmp_path / "flat"
    flat.mkdir()
    path = raw.image("sub-01_desc-nuclei_dseg.nii.gz").rename(
        flat / "sub-01_desc-nuclei_dseg.nii.gz"
    )
    (flat / "dseg.tsv").write_text("index\tname\n")
    subject = only(find_subjects(raw.config(derivatives={"manual": flat})))
    assert (subject.dseg, subject.dseg_table) == (path, flat / "dseg.tsv")


def test_a_folder_named_like_a_subject_above_the_dataset_confuses_nobody(tmp_path, raw):
    raw.image("sub-01_ses-a_T2w.nii.gz")
    moved = tmp_path / "sub-study" / "ses-x" / "raw"
    moved.parent.mkdir(parents=True)
    raw.root.rename(moved)
    config = RunConfig(bids_dir=moved, output_dir=tmp_path / "o", work_dir=tmp_path / "w")
    assert only(find_subjects(config)).label == "sub-01_ses-a"


def test_a_damaged_image_does_not_stop_the_query(raw, derived):
    path = raw.image("sub-01_T2w.nii.gz")
    path.write_bytes(b"nonsense")
    raw.image("sub-01_run-1_T2w.nii.gz")
    derived.image("sub-01_desc-aseg_dseg.nii.gz")
    subject = only(find_subjects(raw.config(derivatives={"d": derived.root})))
    assert subject.t2w.name == "sub-01_run-1_T2w.nii.gz"


# Folders


def test_bad_folders_are_refused(raw, tmp_path):
    raw.image("sub-01_T2w.nii.gz")

    def refuse(match, **settings):
        with pytest.raises(UsageError, match=match) as error:
            find_subjects(raw.config(**settings))
        assert "\n" not in str(error.value)

    refuse("There is no folder", bids_dir=tmp_path / "none")
    refuse("no BIDS dataset", bids_dir=raw.root / "sub-01")
    refuse("inside the raw dataset", output_dir=raw.root / "out")
    refuse("inside the raw dataset", output_dir=raw.root)
    refuse("inside the raw dataset", output_dir=raw.root / "derivatives" / ".." / "x")
    refuse("work folder .* inside the raw dataset", work_dir=raw.root / "work")
    link = tmp_path / "link"
    link.symlink_to(raw.root)
    refuse("inside the raw dataset", output_dir=link / "out")
    refuse("derivatives 'd' are not at", derivatives={"d": tmp_path / "none"})
    (tmp_path / "d").mkdir()
    refuse("input derivatives 'd'", derivatives={"d": tmp_path / "d"}, output_dir=tmp_path / "d")
    (tmp_path / "file").write_text("")
    refuse("is no folder", output_dir=tmp_path / "file" / "out")
    refuse("work folder .* is no folder", work_dir=tmp_path / "file")
    (tmp_path / "d" / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "x"}]}')
    refuse("holds another dataset", output_dir=tmp_path / "d")
    assert only(find_subjects(raw.config(output_dir=raw.root / "derivatives" / "bgpvs")))
    assert not (tmp_path / "out").exists()
    assert not (raw.root / "derivatives").exists()


def test_unwritable_folders_are_refused(raw, tmp_path, monkeypatch):
    raw.image("sub-01_T2w.nii.gz")
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("locked"))
    (tmp_path / "locked").mkdir()
    with pytest.raises(UsageError, match=r"no permission at .*locked"):
        find_subjects(raw.config(output_dir=tmp_path / "locked" / "a" / "b"))


def test_a_description_that_is_no_json_is_refused(raw):
    raw.text("dataset_description.json", "{")
    with pytest.raises(UsageError, match="not valid JSON"):
        find_subjects(raw.config())


def test_a_description_that_is_no_file_is_refused(raw):
    raw.image("sub-01_T2w.nii.gz")
    path = raw.root / "dataset_description.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UsageError, match=r"description\.json: it is a pipe"):
        find_subjects(raw.config())
    path.unlink()
    path.symlink_to("none")
    with pytest.raises(UsageError, match=r"description\.json: it is a broken link"):
        find_subjects(raw.config())


@pytest.mark.skipif(not (DATA / "infants").is_dir(), reason=f"no real infants at {DATA}")
def test_the_real_infants(tmp_path):
    config = RunConfig(
        bids_dir=DATA / "infants",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        derivatives={"reference": DATA / "reference"},
    )
    cohort = find_subjects(config)
    assert not cohort.problems
    first = [s for s in cohort.subjects if s.subject in ("01", "02", "03")]
    weeks = [40 + months * 52.1775 / 12 for months in (2, 6, 12)]
    assert [s.age_weeks for s in first] == pytest.approx(weeks)
    for subject in first:
        assert subject.t2w.name == f"{subject.label}_T2w.nii.gz"
        assert subject.t1w.name == f"{subject.label}_T1w.nii.gz"
        assert subject.dseg.name == f"{subject.label}_desc-nuclei_dseg.nii.gz"
        assert subject.dseg_table.name == "dseg.tsv"
        assert not subject.preprocessed
