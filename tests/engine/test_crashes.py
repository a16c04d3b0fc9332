from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf.bids.inputs import LABEL, label_of
from bgpvs_wf.engine.crashes import (
    describe,
    node_place,
    parse_crash,
    read_crashes,
    workflow_name,
)
from bgpvs_wf.errors import BadImageError

_COMMAND = """\
Node: bgpvs_wf.sub_01_wf.anatomy_wf.register
Working directory: /work

Node inputs:

args = <undefined>
note = ValueError: this is an input

Traceback (most recent call last):
  File "nodes.py", line 787, in _run_command
    raise NodeExecutionError(msg)
nipype.pipeline.engine.nodes.NodeExecutionError: Exception raised while executing Node register.

Cmdline:
\tantsRegistration --dimensionality 3
Stdout:
\tAll went well so far.
Stderr:
{stderr}
Traceback:
\tRuntimeError: subprocess exited with code {code}.
"""


def test_a_failed_command_is_named_with_its_last_words():
    crash = parse_crash(_COMMAND.format(stderr="\tworking ...\n\tcannot read fixed.nii\n", code=1))
    assert (crash.subject, crash.stage) == ("sub_01_wf", "anatomy")
    assert crash.cause == "antsRegistration failed (exit 1): cannot read fixed.nii"


def test_a_killed_command_says_so():
    crash = parse_crash(_COMMAND.format(stderr="", code=-9))
    assert crash.cause == "antsRegistration was killed by signal 9: All went well so far."


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (BadImageError("x.nii is 4D; give a 3D image."), "x.nii is 4D; give a 3D image."),
        (ValueError("no\nnumber"), "ValueError: no"),
        (KeyError(), "KeyError"),
        (
            OSError(28, "No space left on device"),
            "OSError: [Errno 28] No space left on device. Free some space and run again.",
        ),
        (
            MemoryError(),
            "MemoryError. Give the run more memory or fewer processes (--nprocs), and run again.",
        ),
    ],
)  # fmt: skip
def test_exceptions_in_a_line(error, cause):
    try:
        raise error
    except type(error) as raised:
        lines = "".join(traceback.format_exception(raised)).splitlines()
    assert describe(lines) == cause
    assert describe([f"\t{line}" for line in lines]) == cause


def test_a_full_disk_is_the_cause_of_what_follows():
    """Nipype looks for a result that could not be written."""
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise FileNotFoundError("result.pklz")  # noqa: B904
    except FileNotFoundError as raised:
        lines = "".join(traceback.format_exception(raised)).splitlines()
    assert describe(lines).startswith("OSError: [Errno 28] No space left on device. Free")


def test_of_several_steps_that_failed_the_first_says_why():
    try:
        try:
            raise FileNotFoundError(2, "No such file or directory", "/share/t2w.nii.gz")
        except OSError as first:
            raise RuntimeError("2 raised. Re-raising first.") from first
    except RuntimeError as error:
        lines = "".join(traceback.format_exception(error)).splitlines()
    expected = "FileNotFoundError: [Errno 2] No such file or directory: '/share/t2w.nii.gz'"
    assert describe(lines) == expected


def test_something_else_gives_its_last_line():
    assert describe(["first", "", "last words", " "]) == "last words"
    assert describe([]) == "unknown cause"


@pytest.mark.parametrize("name", ["bgpvs_wf", "", "bgpvs_wf.sub_01_wf"])
def test_odd_names_have_no_stage(name):
    assert node_place(name)[1] == ""


def test_crash_files_come_in_the_order_of_their_making(tmp_path: Path):
    import os

    for age, name in enumerate("cab"):
        path = tmp_path / f"crash-{name}.txt"
        path.write_text(f"Node: bgpvs_wf.sub_{name}_wf.prepare_wf.x\nValueError: {name}\n")
        os.utime(path, (age, age))
    (tmp_path / "run.log").write_text("no crash")
    assert [crash.cause[-1] for crash in read_crashes(tmp_path)] == ["c", "a", "b"]


_LABELS = st.from_regex(rf"\A(?:{LABEL})\Z") | st.text("+sew", min_size=1, max_size=4)
_PEOPLE = st.tuples(_LABELS, st.none() | _LABELS)


@given(_PEOPLE, _PEOPLE)
def test_each_label_has_a_workflow_of_its_own(one, other):
    from nipype import Workflow

    names = [workflow_name(label_of(*who)) for who in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    assert [Workflow(name).name for name in names] == names


def test_a_plus_is_told_from_nothing_and_from_an_underscore():
    assert len({workflow_name(f"sub-{label}") for label in ("A+B", "AB", "A_B")}) == 3
    assert node_place(f"bgpvs_wf.{workflow_name('sub-A+B')}.prepare_wf.n4")[1] == "prepare"
