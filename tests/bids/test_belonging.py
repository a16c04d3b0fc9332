"""Whose scan is it: what is taken, what is left out, and that nobody vanishes."""

from __future__ import annotations

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.bids.belonging import SUFFIXES, judge
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.errors import UsageError

LEGAL = string.ascii_letters + string.digits + "+"
labels = st.text(LEGAL, min_size=1, max_size=8)
characters = st.characters(exclude_characters=LEGAL + "/\x00")


@st.composite
def paths(draw):
    """Return the folders and the pieces of the name of a file that counts, and its extension."""
    subject, session = draw(labels), draw(st.none() | labels)
    who = [f"sub-{subject}"] + ([f"ses-{session}"] if session else [])
    more = [f"{key}-{draw(labels)}" for key in draw(st.sets(st.sampled_from(("acq", "rec", "ce"))))]
    runs = [f"run-{draw(st.integers(0, 99))}"] if draw(st.booleans()) else []
    pieces = [*who, *more, *runs, draw(st.sampled_from(SUFFIXES))]
    return [*who, "anat"], pieces, draw(st.sampled_from((".nii", ".nii.gz")))


def joined(folders, pieces, extension):
    return "/".join([*folders, "_".join(pieces) + extension])


@given(paths())
def test_what_is_well_named_counts(path):
    folders = path[0]
    verdict = judge(joined(*path))
    assert not verdict.reason
    assert verdict.subject == folders[0].removeprefix("sub-")
    assert verdict.session == (folders[1].removeprefix("ses-") if len(folders) == 3 else None)


@given(paths(), characters, st.data())
def test_one_illegal_character_leaves_a_file_out(path, character, data):
    """Anywhere in a label or the suffix of its name, or in a label of its folders."""
    folders, pieces, extension = path
    which = data.draw(st.sampled_from((folders[:-1], pieces)))
    place = data.draw(st.integers(0, len(which) - 1))
    old = which[place]
    at = data.draw(st.integers(old.find("-") + 1, len(old)))
    new = old[:at] + character + old[at:]
    folders = [new if which == folders[:-1] and one == old else one for one in folders]
    pieces = [new if which == pieces and one == old else one for one in pieces]
    broken = joined(folders, pieces, extension)
    verdict = judge(broken)
    assert verdict.reason
    assert verdict.where
    assert broken.startswith(verdict.where)
    assert "\n" not in verdict.reason


def said(cohort):
    """Return label to the images taken, and to the message of who cannot be processed."""
    taken = {one.label: (one.t2w or one.t1w).name for one in cohort.subjects}
    return taken, {one.label: one.message for one in cohort.problems}


def put(tree, *paths):
    """Copy a tiny image to paths in a dataset."""
    for path in paths:
        where = tree.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(tree.bytes)


@pytest.fixture
def dataset(raw):
    """Return a dataset with a well-named infant, sub-ok."""
    raw.bytes = raw.image("sub-ok_T2w.nii.gz").read_bytes()
    return raw


# What lies in the dataset; of sub-01, what is taken by label; who cannot be processed, with what
# the message says; what else is named, and why.
CASES = {
    "a hyphen in the label": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01-B/anat/sub-01-B_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {"sub-01-B": "'sub-01-B' is no BIDS label (letters, digits and + only)"},
        [],
    ),
    "a copy of a folder": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01 copy/anat/sub-01_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {"sub-01 copy": "'sub-01 copy' is no BIDS label"},
        [],
    ),
    "an old folder with a better name in it": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01_old/anat/sub-01_run-9_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {"sub-01_old": "'sub-01_old' is no BIDS label"},
        [],
    ),
    "only ill-named folders": (
        ["sub-01-B/anat/sub-01-B_T2w.nii.gz", "sub-01 copy/anat/sub-01_T2w.nii.gz"],
        {},
        {"sub-01-B": "is no BIDS label", "sub-01 copy": "is no BIDS label"},
        [],
    ),
    "a hyphen only": (
        ["sub--/anat/sub--_T2w.nii.gz", "sub-/anat/sub-_T2w.nii.gz"],
        {},
        {"sub--": "'sub--' is no BIDS label", "sub-": "'sub-' is no BIDS label"},
        [],
    ),
    "capital letters": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "SUB-01/anat/SUB-01_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {"SUB-01": "'SUB-01' does not begin with 'sub-'"},
        [],
    ),
    "no hyphen": (
        ["sub01/anat/sub01_T2w.nii.gz", "sub_02/anat/sub_02_T2w.nii.gz"],
        {},
        {"sub01": "'sub01' does not begin with 'sub-'", "sub_02": "does not begin with 'sub-'"},
        [],
    ),
    "digits of another script": (
        ["sub-٠١/anat/sub-٠١_T2w.nii.gz", "sub-é/anat/sub-é_T2w.nii.gz"],
        {},
        {"sub-٠١": "is no BIDS label", "sub-é": "is no BIDS label"},
        [],
    ),
    "a line break": (
        ["sub-01\nB/anat/sub-01_T2w.nii.gz"],
        {},
        {"sub-01\\nB": "'sub-01\\nB' is no BIDS label"},
        [],
    ),
    "a plus": (
        ["sub-A+B/ses-1+2/anat/sub-A+B_ses-1+2_T2w.nii.gz", "sub-AB/anat/sub-AB_T2w.nii.gz"],
        {"sub-A+B_ses-1+2": "sub-A+B_ses-1+2_T2w.nii.gz", "sub-AB": "sub-AB_T2w.nii.gz"},
        {},
        [],
    ),
    "labels that only look alike": (
        ["sub-1/anat/sub-1_T2w.nii.gz", "sub-01/anat/sub-01_T2w.nii.gz"],
        {"sub-1": "sub-1_T2w.nii.gz", "sub-01": "sub-01_T2w.nii.gz"},
        {},
        [],
    ),
    "an ill-named session beside the right one": (
        ["sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz",
         "sub-01/ses-1-retest/anat/sub-01_ses-1-retest_T2w.nii.gz"],
        {"sub-01_ses-1": "sub-01_ses-1_T2w.nii.gz"},
        {"sub-01_ses-1-retest": "'ses-1-retest' is no BIDS label"},
        [],
    ),
    "only an ill-named session": (
        ["sub-01/ses-1-retest/anat/sub-01_ses-1-retest_T2w.nii.gz"],
        {},
        {"sub-01_ses-1-retest": "'ses-1-retest' is no BIDS label"},
        [],
    ),
    "a session in capitals": (
        ["sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz", "sub-01/SES-2/anat/sub-01_ses-2_T2w.nii.gz"],
        {"sub-01_ses-1": "sub-01_ses-1_T2w.nii.gz"},
        {"sub-01_SES-2": "'SES-2' does not begin with 'ses-'"},
        [],
    ),
    "another infant's scan in the folder": (
        ["sub-02/anat/sub-03_T2w.nii.gz"],
        {},
        {"sub-02": "sub-02/anat/sub-03_T2w.nii.gz: its name says sub-03, its folder sub-02"},
        ["sub-02/anat/sub-03_T2w.nii.gz"],
    ),
    "another infant's scan beside one's own": (
        ["sub-02/anat/sub-02_T2w.nii.gz", "sub-02/anat/sub-03_T1w.nii.gz"],
        {"sub-02": "sub-02_T2w.nii.gz"},
        {},
        ["sub-02/anat/sub-03_T1w.nii.gz: its name says sub-03, its folder sub-02"],
    ),
    "a folder of another in the folder": (
        ["sub-02/anat/sub-02_T2w.nii.gz", "sub-02/sub-03/anat/sub-03_T2w.nii.gz"],
        {"sub-02": "sub-02_T2w.nii.gz"},
        {},
        ["sub-02/sub-03: 'sub-03' lies in sub-02"],
    ),
    "a scan without session beside sessions": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01/ses-3mo/anat/sub-01_ses-3mo_T2w.nii.gz"],
        {"sub-01_ses-3mo": "sub-01_ses-3mo_T2w.nii.gz"},
        {},
        ["sub-01/anat/sub-01_T2w.nii.gz: its name says no session, and sub-01 has some"],
    ),
    "only a scan without session where there is one": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01/ses-3mo/func/sub-01_ses-3mo_bold.nii.gz"],
        {},
        {"sub-01_ses-3mo": "sub-01/anat/sub-01_T2w.nii.gz: its name says no session"},
        ["sub-01/anat/sub-01_T2w.nii.gz"],
    ),
    "another session's scan in the folder": (
        ["sub-01/ses-a/anat/sub-01_ses-b_T2w.nii.gz", "sub-01/ses-b/anat/sub-01_ses-b_T2w.nii.gz"],
        {"sub-01_ses-b": "sub-01_ses-b_T2w.nii.gz"},
        {"sub-01_ses-a": "its name says ses-b, its folder ses-a"},
        ["sub-01/ses-a/anat/sub-01_ses-b_T2w.nii.gz"],
    ),
    "a scan that does not say its session": (
        ["sub-01/ses-a/anat/sub-01_T2w.nii.gz"],
        {},
        {"sub-01_ses-a": "its name does not say ses-a"},
        ["sub-01/ses-a/anat/sub-01_T2w.nii.gz"],
    ),
    "a session in the name only": (
        ["sub-01/anat/sub-01_ses-b_T2w.nii.gz"],
        {},
        {"sub-01": "its name says ses-b, and sub-01 has no folder ses-b"},
        ["sub-01/anat/sub-01_ses-b_T2w.nii.gz"],
    ),
    "a scan without a name": (
        ["sub-01/anat/T2w.nii.gz"],
        {},
        {"sub-01": "sub-01/anat/T2w.nii.gz: its name does not say sub-01"},
        ["sub-01/anat/T2w.nii.gz"],
    ),
    "copies of the file and of its folder": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_T2w (1).nii.gz",
         "sub-01/anat copy/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_copy_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {},
        ["sub-01/anat/sub-01_T2w (1).nii.gz: 'T2w (1)' at the end of its name is not",
         "sub-01/anat copy: 'anat copy' is not 'anat'",
         "sub-01/anat/sub-01_copy_T2w.nii.gz: 'copy' in its name is no BIDS entity"],
    ),
    "a label cut off by pybids": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01-B_T2w.nii.gz",
         "sub-01/anat/sub-01.5_T2w.nii.gz", "sub-01/anat/sub-01_acq-a.b_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {},
        ["'sub-01-B' in its name is no BIDS label", "'sub-01.5' in its name is no BIDS label",
         "'acq-a.b' in its name is no BIDS label"],
    ),
    "values that pybids drops": (
        ["sub-01/anat/sub-01_T2w.nii.gz", "sub-01/anat/sub-01_run-x_T2w.nii.gz",
         "sub-01/anat/sub-01_part-Phase_T2w.nii.gz", "sub-01/anat/sub-01_acq-a_acq-b_T2w.nii.gz"],
        {"sub-01": "sub-01_T2w.nii.gz"},
        {},
        ["'run-x' in its name has no value", "'part-Phase' in its name has no value",
         "its name says acq- twice"],
    ),
    "a suffix in capitals": (
        ["sub-01/anat/sub-01_T2W.nii.gz"],
        {},
        {"sub-01": "sub-01/anat/sub-01_T2W.nii.gz: its suffix is 'T2W', not 'T2w'; rename it"},
        ["sub-01_T2W.nii.gz"],
    ),
    "Analyze": (
        ["sub-01/anat/sub-01_T2w.img", "sub-01/anat/sub-01_T2w.hdr"],
        {},
        {"sub-01": "sub-01/anat/sub-01_T2w.img: '.img' is not read; convert it to .nii.gz"},
        ["sub-01_T2w.hdr: '.hdr' is not read", "sub-01_T2w.img: '.img' is not read"],
    ),
    "other formats": (
        ["sub-01/anat/sub-01_T2w.mgz", "sub-02/anat/sub-02_T1w.nii.bz2",
         "sub-03/anat/sub-03_T2w.nrrd", "sub-04/anat/sub-04_T2w.NII.GZ",
         "sub-05/anat/sub-05_T2w.nii.gz.bak"],
        {},
        {"sub-01": "'.mgz' is not read", "sub-02": "'.nii.bz2' is not read",
         "sub-03": "'.nrrd' is not read", "sub-04": "write it in small letters",
         "sub-05": "'.nii.gz.bak' is not read"},
        [],
    ),
    "another kind of image": (
        ["sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_T2w_old.nii.gz"],
        {},
        {"sub-01": "(there is sub-01_FLAIR.nii.gz)", "sub-02": "(there is sub-02_T2w_old.nii.gz)"},
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_is_taken_and_what_is_named(dataset, case):
    files, taken, refused, named = CASES[case]
    put(dataset, *files)
    cohort = find_subjects(dataset.config())
    images, problems = said(cohort)
    assert images == {"sub-ok": "sub-ok_T2w.nii.gz", **taken}
    assert problems.keys() == refused.keys()
    for label, text in refused.items():
        assert text in problems[label]
    for text in named:
        assert any(text in line for line in cohort.left_out), cohort.left_out
    assert len(cohort.left_out) >= len(named)
    assert all("\n" not in line for line in (*problems.values(), *cohort.left_out))
    # Who is asked for alone does not suffer from others.
    config = dataset.config(participant_label=("ok",))
    assert said(find_subjects(config)) == ({"sub-ok": "sub-ok_T2w.nii.gz"}, {})
    assert find_subjects(config).left_out == ()


def test_a_note_tells_the_page_what_is_left_out(dataset):
    put(dataset, "sub-02/anat/sub-02_T2w.nii.gz", "sub-02/anat/sub-03_T1w.nii.gz")
    ok, second = sorted(find_subjects(dataset.config()).subjects, key=lambda s: s.label)[::-1]
    assert ok.notes == ()
    assert second.notes == (
        "Left out: sub-02/anat/sub-03_T1w.nii.gz: its name says sub-03, its folder sub-02; "
        "rename or move it",
    )


def test_what_is_left_out_in_one_session_is_not_passed_over(dataset):
    put(dataset, "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz")
    put(dataset, "sub-01/ses-b/anat/sub-01_ses-b_T2W.nii.gz")
    put(dataset, "sub-01/ses-c/func/sub-01_ses-c_bold.nii.gz")
    images, problems = said(find_subjects(dataset.config(participant_label=("01",))))
    assert images == {"sub-01_ses-a": "sub-01_ses-a_T2w.nii.gz"}
    assert problems.keys() == {"sub-01_ses-b"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("derived/sub-01/anat/sub-02_desc-nuclei_dseg.nii.gz", "its name says sub-02"),
        ("derived/sub-01 copy/anat/sub-01_desc-nuclei_dseg.nii.gz", "'sub-01 copy' is no BIDS"),
        ("derived/sub-01-B_desc-nuclei_dseg.nii.gz", "'sub-01-B' in its name is no BIDS label"),
        ("derived/sub-01/ses-1-x/anat/sub-01_desc-nuclei_dseg.nii.gz", "'ses-1-x' is no BIDS"),
        ("derived/sub-01/anat/sub-01_ses-9_desc-nuclei_dseg.nii.gz", "no folder ses-9"),
    ],
)
def test_derivatives_of_another_are_left_out_and_named(dataset, derived, name, reason):
    put(dataset, "sub-01/anat/sub-01_T2w.nii.gz", f"../{name}")
    cohort = find_subjects(dataset.config(derivatives={"d": derived.root}))
    assert not cohort.problems
    assert [one.dseg for one in cohort.subjects] == [None, None]
    (line,) = cohort.left_out
    assert line.startswith("derived/sub-01")
    assert reason in line


def test_only_regular_files_are_taken(dataset):
    folder = dataset.root / "sub-01" / "anat"
    folder.mkdir(parents=True)
    (folder / "sub-01_T2w.nii.gz").symlink_to("../../.git/annex/objects/none")
    (folder / "sub-01_acq-a_T2w.nii.gz").mkdir()
    os.mkfifo(folder / "sub-01_acq-b_T2w.nii.gz")
    (folder / "sub-01_acq-c_T2w.nii.gz").symlink_to("/dev/zero")
    images, problems = said(find_subjects(dataset.config()))
    assert images == {"sub-ok": "sub-ok_T2w.nii.gz"}
    for text in (
        "sub-01/anat/sub-01_T2w.nii.gz: it is a broken link",
        "sub-01_acq-a_T2w.nii.gz: it is a folder",
        "sub-01_acq-b_T2w.nii.gz: it is a pipe",
        "sub-01_acq-c_T2w.nii.gz: it is a device",
    ):
        assert text in problems["sub-01"]
    (folder / "sub-01_acq-d_T2w.nii.gz").symlink_to(
        dataset.root / "sub-ok" / "anat" / "sub-ok_T2w.nii.gz"
    )
    images, problems = said(find_subjects(dataset.config()))
    assert images["sub-01"] == "sub-01_acq-d_T2w.nii.gz"
    assert not problems


def test_folders_that_are_none(dataset):
    (dataset.root / "sub-01").symlink_to("none")
    (dataset.root / "sub-02").write_text("")
    put(dataset, "sub-03/ses-a/anat/sub-03_ses-a_T2w.nii.gz")
    (dataset.root / "sub-03" / "ses-b").symlink_to("none")
    (dataset.root / "sub-03" / "loop").symlink_to(dataset.root)
    (dataset.root / "sub-04").symlink_to("sub-ok")
    images, problems = said(find_subjects(dataset.config()))
    assert images.keys() == {"sub-ok", "sub-03_ses-a"}
    assert problems.keys() == {"sub-01", "sub-02", "sub-03_ses-b", "sub-04"}
    assert "'sub-01' is a broken link, not a folder" in problems["sub-01"]
    assert "'sub-02' is a file, not a folder" in problems["sub-02"]
    assert "'ses-b' is a broken link" in problems["sub-03_ses-b"]
    assert "its name says sub-ok, its folder sub-04" in problems["sub-04"]


def test_a_name_that_is_not_utf8_is_shown(dataset):
    folder = os.fsencode(dataset.root) + b"/sub-\xe9"
    os.makedirs(folder + b"/anat")
    _, problems = said(find_subjects(dataset.config()))
    (message,) = problems.values()
    assert message.encode("ascii")
    assert "'sub-\\udce9' is no BIDS label" in message


@pytest.mark.parametrize("names", [("run-1_T2w.nii.gz", "run-01_T2w.nii.gz"),
                                   ("T2w.nii", "T2w.nii.gz")])  # fmt: skip
def test_two_names_of_one_scan_are_told(raw, names):
    for name in names:
        raw.image(f"sub-01_{name}")
    (subject,) = find_subjects(raw.config()).subjects
    (note,) = subject.notes
    assert note.endswith("are two names of one scan, keep one")


def test_tables_need_not_say_whose_they_are(dataset, derived):
    put(dataset, "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii.gz")
    put(dataset, "../derived/sub-01/ses-a/anat/sub-01_ses-a_desc-aseg_dseg.nii.gz")
    table = derived.text("sub-01/sub-01_desc-aseg_dseg.tsv")
    derived.text("sub-01/sub-02_desc-aseg_dseg.tsv")
    config = dataset.config(derivatives={"d": derived.root}, participant_label=("01",))
    cohort = find_subjects(config)
    assert cohort.subjects[0].dseg_table == table
    (line,) = cohort.left_out
    assert "derived/sub-01/sub-02_desc-aseg_dseg.tsv: its name says sub-02" in line


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"participant_label": ("01 copy",)}, "--participant-label 01 copy: 'sub-01 copy' is no"),
        ({"participant_label": ("sub-",)}, "'sub-' is no BIDS label"),
        ({"participant_label": ("",)}, "'sub-' is no BIDS label"),
        ({"participant_label": ("٠١",)}, "is no BIDS label"),
        ({"participant_label": ("SUB-01",)}, "'sub-SUB-01' is no BIDS label"),
        ({"session_id": ("1-retest",)}, "--session-id 1-retest: 'ses-1-retest' is no BIDS label"),
        ({"participant_label": ("7",)}, "SUB-7: 'SUB-7' does not begin with 'sub-'"),
    ],
)
def test_labels_asked_for_that_are_none(dataset, settings, text):
    put(dataset, "SUB-7/anat/sub-7_T2w.nii.gz")
    with pytest.raises(UsageError) as error:
        find_subjects(dataset.config(**settings))
    assert text in str(error.value)
    assert "\n" not in str(error.value)
