"""Whose scan is it: nobody is measured with somebody else's, and nobody vanishes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import call_program

from bgpvs_wf.bids.belonging import owner_of
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.engine.crashes import workflow_name
from bgpvs_wf.errors import UsageError

T2W = "sub-01_T2w.nii.gz"


def put(raw, *parts: str) -> Path:
    """Put an image where no BIDS name leads."""
    source = raw.image("sub-template_T2w.nii.gz")
    path = raw.root.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, path)
    shutil.rmtree(raw.root / "sub-template")
    return path


STRAYS = [
    # folder, file, whose problem, words
    ("sub-01-B", "sub-01-B_T2w.nii.gz", "'01-B' is no BIDS label"),
    ("sub-01 copy", "sub-01_T2w.nii.gz", "'01 copy' is no BIDS label"),
    ("sub-01_old", "sub-01_T2w.nii.gz", "'01_old' is no BIDS label"),
    ("sub-01.bak", "sub-01_T2w.nii.gz", "'01.bak' is no BIDS label"),
    ("sub-01~", "sub-01_T2w.nii.gz", "'01~' is no BIDS label"),
    ("sub-01(2)", "sub-01_T2w.nii.gz", "'01(2)' is no BIDS label"),
    ("sub-", "sub-_T2w.nii.gz", "'' is no BIDS label"),
    ("sub--", "sub--_T2w.nii.gz", "'-' is no BIDS label"),
    ("sub-٠١", "sub-٠١_T2w.nii.gz", "'٠١' is no BIDS label"),
    ("sub-Zoë", "sub-Zoë_T2w.nii.gz", "'Zoë' is no BIDS label"),
]


@pytest.mark.parametrize(("folder", "name", "words"), STRAYS, ids=[s[0] for s in STRAYS])
def test_a_folder_that_is_no_subject_is_named_and_takes_nobodys_place(raw, folder, name, words):
    right = raw.image(T2W)
    stray = put(raw, folder, "anat", name)
    cohort = find_subjects(raw.config())
    assert [(s.label, s.t2w) for s in cohort.subjects] == [("sub-01", right)]
    (problem,) = cohort.problems
    assert words in problem.message
    assert problem.message.startswith(folder)
    # Asked for by label, the right one is run and the other is nobody's business.
    assert find_subjects(raw.config(participant_label=("01",))).subjects[0].t2w == right
    right.unlink()
    shutil.rmtree(raw.root / "sub-01")
    with pytest.raises(UsageError, match="no subjects"):
        find_subjects(raw.config())
    assert stray.exists()


LEFT = [
    # where it lies, words of the reason
    (("sub-01", "anat", "sub-02_T2w.nii.gz"), "its name says sub-02, its folder sub-01"),
    (("sub-01", "anat", "sub-01-B_T2w.nii.gz"), "no BIDS name"),
    (("sub-01", "anat", "sub-01 copy_T2w.nii.gz"), "no BIDS name"),
    (("sub-01", "anat", "sub-01_acq-high-res_T2w.nii.gz"), "no BIDS name"),
    (("sub-01", "anat", "sub-01_run-2 _T2w.nii.gz"), "no BIDS name"),
    (("sub-01", "anat", "sub-01_ses-3mo_T2w.nii.gz"), "there is no folder ses-3mo"),
    (("sub-01", "anat", "sub-01_sub-02_T2w.nii.gz"), "its name says sub-01 and sub-02"),
    (("sub-01", "anat", "run-9_T2w.nii.gz"), "its name says no sub-, its folder sub-01"),
    (("sub-01", "anat", "sub-01_run-9_T2W.nii.gz"), "the suffix is 'T2W'"),
    (("sub-01", "anat", "sub-01_run-9_t2w.nii.gz"), "the suffix is 't2w'"),
    (("sub-01", "anat", "sub-01_run-9_T1.nii.gz"), "the suffix is 'T1', where BIDS says 'T1w'"),
    (("sub-01", "anat", "sub-01_run-9_T2w.img"), ".img is no NIfTI"),
    (("sub-01", "anat", "sub-01_run-9_T2w.hdr"), ".hdr is no NIfTI"),
    (("sub-01", "anat", "sub-01_run-9_T2w.mgz"), ".mgz is no NIfTI"),
    (("sub-01", "anat", "sub-01_run-9_T2w.NII.GZ"), "the extension is '.NII.GZ'"),
    (("sub-01", "anat", "sub-01_run-9_T2w.nii.bz2"), ".nii.bz2 is no NIfTI"),
    (("sub-01", "sub-02", "anat", "sub-01_T2w.nii.gz"), "it lies in sub-01 and in sub-02"),
]


@pytest.mark.parametrize(("parts", "words"), LEFT, ids=["/".join(p) for p, _ in LEFT])
def test_a_file_that_is_not_taken_is_named_with_the_reason(raw, parts, words):
    right = raw.image(T2W)
    stray = put(raw, *parts)
    (subject,) = find_subjects(raw.config()).subjects
    assert subject.t2w == right
    (line,) = find_subjects(raw.config()).left_out
    assert str(stray) in line
    assert words in line
    assert any(stray.name in note and words in note for note in subject.notes)
    right.unlink()
    cohort = find_subjects(raw.config())
    assert not cohort.subjects
    assert stray.name in cohort.problems[0].message
    assert words in cohort.problems[0].message


def test_an_image_without_session_does_not_win_over_a_session(raw):
    stray = put(raw, "sub-01", "anat", T2W)
    right = raw.image("sub-01_ses-3mo_T2w.nii.gz")
    cohort = find_subjects(raw.config())
    assert [(s.label, s.t2w) for s in cohort.subjects] == [("sub-01_ses-3mo", right)]
    assert str(stray) in cohort.left_out[0]
    assert "names no session" in cohort.left_out[0]


def test_a_session_that_is_none_does_not_vanish(raw):
    right = raw.image("sub-01_ses-1_T2w.nii.gz")
    put(raw, "sub-01", "ses-1-retest", "anat", "sub-01_ses-1-retest_T2w.nii.gz")
    cohort = find_subjects(raw.config())
    assert [s.t2w for s in cohort.subjects] == [right]
    assert [p.label for p in cohort.problems] == ["sub-01_ses-1-retest"]
    assert "'1-retest' is no BIDS label" in cohort.problems[0].message


def test_a_session_in_the_name_that_is_not_the_folders(raw):
    right = raw.image("sub-01_ses-1_T2w.nii.gz")
    stray = put(raw, "sub-01", "ses-1", "anat", "sub-01_ses-2_run-7_T2w.nii.gz")
    cohort = find_subjects(raw.config())
    assert [s.t2w for s in cohort.subjects] == [right]
    assert f"{stray}: its name says ses-2, its folder ses-1" in cohort.left_out[0]


def test_derivatives_of_somebody_else_are_left(raw, derived):
    raw.image(T2W)
    mask = derived.image("sub-02_desc-brain_mask.nii.gz")
    wrong = derived.root / "sub-01" / "anat" / mask.name
    wrong.parent.mkdir(parents=True)
    shutil.move(mask, wrong)
    cohort = find_subjects(raw.config(derivatives={"d": derived.root}))
    assert cohort.subjects[0].brain_mask is None
    assert str(wrong) in cohort.left_out[0]


@pytest.mark.parametrize("label", ["A+B", "01+", "+"])
def test_a_plus_is_a_label(raw, label):
    t2w = raw.image(f"sub-{label}_T2w.nii.gz")
    other = raw.image("sub-AB_T2w.nii.gz")
    found = {s.label: s.t2w for s in find_subjects(raw.config()).subjects}
    assert found == {f"sub-{label}": t2w, "sub-AB": other}
    assert find_subjects(raw.config(participant_label=(label,))).subjects[0].t2w == t2w
    names = {workflow_name(name) for name in (*found, "sub-A_ses-B", "sub-AplusB")}
    assert len(names) == len(found) + 2


BROKEN = [
    (lambda path: path.symlink_to("/no/such/file.nii.gz"), "is a broken link"),
    (os.mkfifo, "is a folder, a pipe or a device"),
    (lambda path: path.symlink_to("/dev/zero"), "is a folder, a pipe or a device"),
    (lambda path: path.symlink_to(path.name), "is a broken link"),
]


@pytest.mark.parametrize(("place", "words"), BROKEN)
def test_what_is_no_file_is_nobodys_scan(raw, place, words):
    raw.image("sub-01_T1w.nii.gz")
    raw.image("sub-02_T2w.nii.gz")
    place(raw.root / "sub-01" / "anat" / T2W)
    cohort = find_subjects(raw.config())
    assert [s.label for s in cohort.subjects] == ["sub-02"]
    assert T2W in cohort.problems[0].message
    assert words in cohort.problems[0].message


def test_a_folder_named_like_a_scan_is_left(raw):
    t1w = raw.image("sub-01_T1w.nii.gz")
    folder = t1w.with_name(T2W)
    folder.mkdir()
    cohort = find_subjects(raw.config())
    assert [(s.t2w, s.t1w) for s in cohort.subjects] == [(None, t1w)]
    assert cohort.left_out == (f"{folder}: it is a folder, no file",)


IGNORED = [
    ("sub-02/", {"sub-01", "sub-03"}),
    ("/sub-02", {"sub-01", "sub-03"}),
    ("sub-0[23]/", {"sub-01"}),
    ("sub-0[!1]/", {"sub-01"}),
    ("**/sub-02_*", {"sub-01", "sub-03"}),
    ("*_T2w.nii.gz\n!sub-03_T2w.nii.gz", {"sub-03"}),
    ("sub-*\n!sub-01/\n", {"sub-01"}),
    ("# sub-02/\n\n", {"sub-01", "sub-02", "sub-03"}),
    ("anat/sub-02_T2w.nii.gz", {"sub-01", "sub-02", "sub-03"}),
    ("sub-02/**/*.nii.gz", {"sub-01", "sub-03"}),
    ("sub-0?/anat/sub-02_T2w.nii.gz", {"sub-01", "sub-03"}),
]


@pytest.mark.parametrize(("text", "expected"), IGNORED)
def test_bidsignore_is_honoured(raw, text, expected):
    for label in ("01", "02", "03"):
        raw.image(f"sub-{label}_T2w.nii.gz")
    raw.text(".bidsignore", text)
    assert {s.label for s in find_subjects(raw.config()).subjects} == expected


def test_the_command_line_names_who_is_left_out(raw, tmp_path):
    raw.image(T2W)
    stray = put(raw, "sub-01", "anat", "sub-02_T2w.nii.gz")
    put(raw, "sub-01_old", "anat", T2W)
    done = call_program(tmp_path, "run", raw.root, tmp_path / "out", "--dry-run")
    assert done.returncode == 1, done.stderr
    assert "cannot run: sub-01_old: '01_old' is no BIDS label" in done.stdout
    assert f"left out: {stray}" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_dry_run_in_which_nobody_can_run_fails(raw, tmp_path):
    raw.image(T2W)
    words = ("--segmentation", "pseudolabel", "--anatomy", "atlas")
    done = call_program(tmp_path, "run", raw.root, tmp_path / "out", "--dry-run", *words)
    assert "cannot run" in done.stdout
    assert done.returncode == 1


labels = st.text("019azAZ+", min_size=1, max_size=6)


@given(
    labels, labels | st.none(), st.sampled_from(["T2w.nii.gz", "T1w.nii", "desc-brain_mask.nii"])
)
def test_a_well_formed_path_counts(subject, session, end):
    parts = [f"sub-{subject}"] + ([f"ses-{session}"] if session else [])
    path = PurePosixPath(*parts, "anat", "_".join([*parts, end]))
    assert owner_of(path) == (subject, session)


@given(labels, st.sampled_from(list(" -~.,;:!?'\"()[]{}@#$%^&*=é°١\n\t\\")), st.integers(0, 6))
def test_one_illegal_character_and_it_is_left(subject, wrong, place):
    bad = subject[:place] + wrong + subject[place:]
    for path in (
        PurePosixPath(f"sub-{bad}", "anat", f"sub-{bad}_T2w.nii.gz"),
        PurePosixPath(f"sub-{bad}", "anat", f"sub-{subject}_T2w.nii.gz"),
        PurePosixPath(f"sub-{subject}", "anat", f"sub-{bad}_T2w.nii.gz"),
    ):
        assert isinstance(owner_of(path), str)
