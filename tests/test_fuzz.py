"""A small part of `benchmarks/fuzz.py`, and whether its judge can tell good answers from bad."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from fuzzing.cases import KINDS, ORDER, make_case
from fuzzing.damage import FIELDS, set_fields
from fuzzing.judge import CHANGED, DOUBT, EQUAL, FAILS, REFUSED, SAID, Answer, Rule, judge

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"
ONE, TWO = "sub-01/anat/a.nii.gz", "sub-02/anat/a.nii.gz"
SOUND = Answer(0, "Done: sub-01, sub-02.\nResults: /x/new\n", results={ONE: "1", TWO: "2"})
REFUSAL = Answer(2, stderr="bgpvs-wf: filter.json: 't2w' is 5; give a table of entities.\n")
FAILURE = Answer(
    1,
    "Done: sub-02.\nFailed: sub-01: prepare: sub-01_T2w.nii.gz is truncated; copy it again.\n",
    results={TWO: "2"},
)
DOUBTFUL = Answer(
    0,
    SOUND.stdout + "In doubt: sub-01:\n  sub-01: Slices are thick.\n",
    results={ONE: "9", TWO: "2"},
)
LEFT_OUT = Answer(
    0, SOUND.stdout + "Left out: /x/sub-01-B: its name is not valid.\n", results=SOUND.results
)
OF_FILTER = Rule(frozenset({REFUSED}), ("filter.json", "--bids-filter-file"))
OF_SCAN = Rule(frozenset({FAILS, DOUBT}), ("sub-01_T2w.nii.gz",), "sub-01")
OF_NAME = Rule(frozenset({SAID}), ("sub-01-B",))
LOSSLESS = Rule(frozenset({EQUAL}))
TRACE = "Traceback (most recent call last):\n  File x\nKeyError: 'a'\n"


@pytest.mark.parametrize(
    ("rule", "answer", "outcome"),
    [
        (OF_FILTER, REFUSAL, REFUSED),
        (OF_FILTER, replace(REFUSAL, stderr=f"usage: x\n   [-h]\n{REFUSAL.stderr}"), REFUSED),
        (OF_SCAN, FAILURE, FAILS),
        (OF_SCAN, DOUBTFUL, DOUBT),
        (OF_NAME, LEFT_OUT, SAID),
        (OF_NAME, replace(LEFT_OUT, status=1), SAID),
        (LOSSLESS, SOUND, EQUAL),
        (LOSSLESS, replace(SOUND, stdout=f"12:00:01 sub-01: at work\n{SOUND.stdout}"), EQUAL),
    ],
)
def test_good_answers_are_good(rule, answer, outcome):
    verdict = judge(rule, answer, SOUND)
    assert (verdict.outcome, verdict.complaints) == (outcome, ())


@pytest.mark.parametrize(
    ("rule", "answer", "complaint"),
    [
        # What no answer may be.
        (OF_FILTER, replace(REFUSAL, stderr=TRACE), "traceback: KeyError: 'a'"),
        (OF_SCAN, replace(FAILURE, stdout=FAILURE.stdout + TRACE), "traceback"),
        (OF_FILTER, replace(REFUSAL, status=None), "hang"),
        (OF_FILTER, replace(REFUSAL, status=-9), "exit status -9"),
        (OF_FILTER, replace(REFUSAL, status=3), "exit status 3"),
        (OF_FILTER, replace(REFUSAL, executed=True), "executed"),
        (OF_FILTER, replace(REFUSAL, touched=("bids/x",)), "raw dataset changed: bids/x"),
        # Accepted.
        (OF_FILTER, SOUND, "nonsense accepted: equal"),
        (OF_SCAN, SOUND, "nonsense accepted: equal"),
        (OF_SCAN, replace(SOUND, results={ONE: "9", TWO: "2"}), "nonsense accepted: changed"),
        (OF_NAME, SOUND, "nonsense accepted: equal"),
        (LOSSLESS, replace(SOUND, results={ONE: "9", TWO: "2"}), "nonsense accepted: changed"),
        # Refused, where all should go well; failed, where the call should be refused.
        (LOSSLESS, REFUSAL, "wrong answer: refused"),
        (OF_SCAN, REFUSAL, "wrong answer: refused"),
        (OF_FILTER, FAILURE, "wrong answer: subject fails"),
        # What and where.
        (OF_FILTER, replace(REFUSAL, stderr="bgpvs-wf: no such entity.\n"), "names none of"),
        (OF_FILTER, replace(REFUSAL, stderr=""), "a refusal of 0 lines"),
        (OF_FILTER, replace(REFUSAL, stderr=REFUSAL.stderr * 2), "a refusal of 2 lines"),
        (OF_FILTER, replace(REFUSAL, stderr="filter.json is bad\n"), "not the program's words"),
        (
            OF_FILTER,
            replace(REFUSAL, stderr=f"bgpvs-wf: filter.json {'x' * 2000}\n"),
            "a message of",
        ),
        (
            OF_FILTER,
            replace(REFUSAL, stderr="bgpvs-wf: filter.json: 'int' object has no attribute 'x'\n"),
            "jargon",
        ),
        (OF_SCAN, replace(FAILURE, stdout="Failed: sub-01: prepare: bad\n"), "names none of"),
        (
            OF_SCAN,
            replace(FAILURE, stdout="Failed: /x/sub-01_T2w.nii.gz, see what failed above"),
            "misleading",
        ),
        (OF_SCAN, replace(FAILURE, stdout="sub-01_T2w.nii.gz: ValueError: x\n"), "jargon"),
        (OF_SCAN, replace(FAILURE, stderr="/x/a.py:3: RuntimeWarning: y\n"), "library's warning"),
        (
            OF_SCAN,
            replace(DOUBTFUL, stdout=DOUBTFUL.stdout.replace("  sub-01", "  sub-02")),
            "does not name sub-01",
        ),
        # Everybody else.
        (OF_SCAN, replace(FAILURE, results={}), "others suffer: lost"),
        (OF_SCAN, replace(FAILURE, results={TWO: "9"}), "others suffer: came out otherwise"),
        (OF_SCAN, replace(DOUBTFUL, results={ONE: "9", TWO: "9"}), "others suffer"),
        (OF_NAME, replace(LEFT_OUT, results={ONE: "9", TWO: "2"}), "nonsense accepted: changed"),
    ],
)
def test_bad_answers_are_bad(rule, answer, complaint):
    assert any(complaint in one for one in judge(rule, answer, SOUND).complaints)


def test_a_doubt_that_was_there_before_is_no_answer():
    doubted = replace(SOUND, stdout=SOUND.stdout + "In doubt: sub-01:\n  sub-01: 7 mm3 is few.\n")
    other = replace(doubted, stdout=doubted.stdout.replace("7", "9"), results={ONE: "9", TWO: "2"})
    assert judge(OF_SCAN, other, doubted).outcome == CHANGED


def test_the_same_numbers_give_the_same_case():
    for number in range(3 * len(ORDER)):
        one, two = make_case(5, number), make_case(5, number)
        assert (one.what, one.words, one.kind) == (two.what, two.words, two.kind)
    assert {make_case(1, number).kind for number in range(len(ORDER))} == {*KINDS}
    assert len({make_case(1, number).what for number in range(300)}) > 200


def test_fields_are_where_the_standard_has_them(tmp_path):
    import nibabel as nib

    path = tmp_path / "a.nii.gz"
    nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.eye(4)).to_filename(path)
    template = nib.Nifti1Header.template_dtype
    for name, (place, _) in FIELDS.items():
        known, _, index = name.rstrip("]").partition("[")
        if known in template.fields:
            step = template.fields[known][0].base.itemsize
            assert place == template.fields[known][1] + step * int(index or 0), name
    set_fields(path, {"srow_x[3]": 7.0, "qform_code": 3, "vox_offset": 352.0})
    header = nib.load(path).header
    assert (header["srow_x"][3], header["qform_code"]) == (7, 3)


def test_thirty_broken_inputs(tmp_path):
    """Each is answered well; `benchmarks/fuzz.py` tries a thousand."""
    rows = tmp_path / "rows.json"
    command = [sys.executable, FUZZ, "--light", "--cases", "30", "--out", rows]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(rows.read_text())) == 30
