"""The patterns of ``.bidsignore``, and what becomes of what they name."""

from __future__ import annotations

import os

import pytest

from bgpvs_wf.bids.ignoring import parse_rule, rule_for
from bgpvs_wf.bids.query import find_subjects
from bgpvs_wf.errors import UsageError

SCAN = "sub-01/anat/sub-01_T2w.nii.gz"


# As `git check-ignore` answers for a file, in a repository whose .gitignore has these lines.
@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        (["*_T2w.nii.gz"], SCAN, True),
        (["*_T1w.nii.gz"], SCAN, False),
        (["sub-01_T2w.nii.gz"], SCAN, True),
        (["/sub-01_T2w.nii.gz"], SCAN, False),
        (["sub-*/anat/*_T2w.*"], SCAN, True),
        (["sub-*/*_T2w.*"], SCAN, False),
        (["anat/*_T2w.*"], SCAN, False),
        (["**/anat/*_T2w.*"], SCAN, True),
        (["**/sub-01_T2w.nii.gz"], SCAN, True),
        (["sub-01/**"], SCAN, True),
        (["sub-01/**/sub-01_T2w.nii.gz"], SCAN, True),
        (["sub-01/**/anat/sub-01_T2w.nii.gz"], SCAN, True),
        (["sub-0?/anat/*"], SCAN, True),
        (["sub-0[1-3]/anat/*"], SCAN, True),
        (["sub-0[!1-3]/anat/*"], SCAN, False),
        (["sub-0[^2]/anat/*"], SCAN, True),
        (["sub-01/anat?sub-01_T2w.nii.gz"], SCAN, False),
        (["sub-01[/]anat/*"], SCAN, False),
        (["sub-01/anat/sub-01_T2w.nii.gz/"], SCAN, False),
        (["# sub-01", "", "   "], SCAN, False),
        (["#*"], "#x", False),
        ([r"\#*"], "#x", True),
        ([r"\!x"], "!x", True),
        (["sub-01_T2w.nii.gz  "], SCAN, True),
        (["*_T2w.nii.gz", "!sub-01_*"], SCAN, False),
        (["!sub-01_*", "*_T2w.nii.gz"], SCAN, True),
        (["*.(nii)", "a+b", "x|y"], "x", False),
        (["a+b"], "a+b", True),
        (["[z-a]"], "[z-a]", False),
        (["["], "[", False),
        (["[]]"], "]", True),
        (["a[!]]c"], "abc", True),
        (["*"], SCAN, True),
    ],
)
def test_a_pattern_is_read_as_git_reads_it(lines, path, ignored):
    rules = [rule for rule in map(parse_rule, lines) if rule]
    assert bool(rule_for(rules, path, folder=False)) == ignored


def test_a_pattern_of_folders(raw):
    (rule,) = [parse_rule("sub-02/")]
    assert rule_for([rule], "sub-02", folder=True) == "sub-02/"
    assert rule_for([rule], "sub-02", folder=False) == ""


def test_what_is_ignored_is_named(raw):
    for name in ("sub-01_T2w", "sub-01_T1w", "sub-02_T2w", "sub-03_ses-a_T2w", "sub-03_ses-b_T2w"):
        raw.image(f"{name}.nii.gz")
    raw.text("sub-01 copy/anat/sub-01_T2w.nii.gz")
    raw.text(".bidsignore", "sub-02/\n*_T1w.nii.gz\nses-b\n*copy\n")
    cohort = find_subjects(raw.config())
    assert not cohort.problems
    assert [one.label for one in cohort.subjects] == ["sub-01", "sub-03_ses-a"]
    assert cohort.subjects[0].t1w is None
    assert sorted(cohort.left_out) == [
        "sub-01 copy: .bidsignore has '*copy'",
        "sub-01/anat/sub-01_T1w.nii.gz: .bidsignore has '*_T1w.nii.gz'",
        "sub-02: .bidsignore has 'sub-02/'",
        "sub-03/ses-b: .bidsignore has 'ses-b'",
    ]
    with pytest.raises(UsageError, match=r"No participant 02 found.*\.bidsignore has 'sub-02/'"):
        find_subjects(raw.config(participant_label=("02",)))


def test_a_subject_whose_scan_is_ignored_is_a_problem(raw):
    raw.image("sub-01_T2w.nii.gz")
    raw.text(".bidsignore", "*_T2w.nii.gz\n")
    (problem,) = find_subjects(raw.config()).problems
    assert "left out: sub-01/anat/sub-01_T2w.nii.gz: .bidsignore has '*_T2w.nii.gz'" in (
        problem.message
    )


def test_derivatives_that_were_asked_for_are_not_ignored(raw, derived):
    raw.image("sub-01_T2w.nii.gz")
    dseg = derived.image("sub-01_desc-nuclei_dseg.nii.gz")
    derived.text(".bidsignore", "*_dseg.nii.gz\n")
    (subject,) = find_subjects(raw.config(derivatives={"d": derived.root})).subjects
    assert subject.dseg == dseg


def test_a_file_that_cannot_be_read_is_refused(raw):
    raw.image("sub-01_T2w.nii.gz")
    os.mkfifo(raw.root / ".bidsignore")
    with pytest.raises(UsageError, match=r"Cannot read .*\.bidsignore: it is a pipe"):
        find_subjects(raw.config())
