"""What hands type: read where it can be, else refused in a line that names what was meant."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bgpvs_wf.cli.main import VERBS, build_parser, main


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the last line that a call is refused with."""
    try:
        code = main(list(words))
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert code == 2, said.out
    assert "Traceback" not in said.err
    return said.err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (("--n_cpus", "3"), "nprocs", 3),
        (("--n-cpus=3",), "nprocs", 3),
        (("--nthreads", "3"), "nprocs", 3),
        (("--omp_nthreads", "2"), "omp_nthreads", 2),
        (("--mem_mb", "2048"), "memory_gb", 2.0),
        (("--mem", "8GB"), "memory_gb", 8.0),
        (("--mem", "8G"), "memory_gb", 8.0),
        (("--mem=8000MB",), "memory_gb", 7.8125),
        (("--mem", "8 gb"), "memory_gb", 8.0),
        (("--mem-gb", "8"), "memory_gb", 8.0),
        (("--session_id", "3mo"), "session_id", ["3mo"]),
        (("--participant_label", "01", "02"), "participant_label", ["01", "02"]),
        (("--work_dir", "a_b"), "work_dir", Path("a_b")),
        (("--skip-bids-validation",), "skip_bids_validation", True),
        (("--skip_bids_validation",), "skip_bids_validation", True),
        (("--bids_filter_file=x.json",), "bids_filter_file", Path("x.json")),
    ],
)
def test_options_are_read_as_other_bids_apps_spell_them(monkeypatch, words, name, value):
    seen = {}
    monkeypatch.setattr("bgpvs_wf.cli.run.run", lambda args: seen.update(vars(args)) or 0)
    assert main(["run", "bids", "out", "participant", *words]) == 0
    assert seen[name] == value


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("run", "bids", "out", "--nproc", "3"), "unknown option --nproc; did you mean --nprocs?"),
        (("run", "bids", "out", "--participant", "01"), "did you mean --participant-label?"),
        (("run", "bids", "out", "--omp-threads=2"), "did you mean --omp-nthreads?"),
        (("run", "bids", "out", "--workdir", "w"), "did you mean --work-dir?"),
        (("run", "bids", "out", "--qqq"), "unknown option --qqq; see bgpvs-wf run --help"),
        (("evaluate", "--predictions", "x"), "did you mean --prediction?"),
        (("atlas", "add", "x", "--licence", "MIT"), "did you mean --license?"),
        (("train", "recipe.toml", "out", "--steps", "3"), "unknown option --steps"),
        (("rn", "bids", "out"), "unknown verb 'rn'; did you mean run?"),
        (("evalute",), "unknown verb 'evalute'; did you mean evaluate?"),
    ],
)
def test_the_nearest_name_is_told(capsys, words, meant):
    assert meant in refused(capsys, *words)


def test_the_usage_is_that_of_the_verb(capsys):
    with pytest.raises(SystemExit):
        main(["suggest", "out", "export", "--nummer", "3"])
    assert capsys.readouterr().err.startswith("usage: bgpvs-wf suggest")


@pytest.mark.parametrize("words", [(), ("run",)])
def test_a_call_without_arguments_is_told_the_commonest_lines(words):
    program = (sys.executable, "-m", "bgpvs_wf")
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    calls = [line.split() for line in done.stderr.splitlines() if line.startswith("  bgpvs-wf ")]
    assert len(calls) == 3
    assert "bgpvs-wf run BIDS_DIR OUT_DIR" in done.stderr
    for _, verb, *rest in calls:
        known = build_parser().leaf([verb])._option_string_actions
        assert verb in VERBS
        assert {word for word in rest if word.startswith("-")} <= set(known)


@pytest.mark.parametrize("level", ["participant", "group"])
def test_a_call_without_verb_is_a_run(monkeypatch, level):
    seen = {}
    monkeypatch.setattr("bgpvs_wf.cli.run.run", lambda args: seen.update(vars(args)) or 0)
    assert main(["my_bids", "my_out", level, "--nprocs", "2"]) == 0
    assert seen["bids_dir"] == Path("my_bids")
    assert seen["analysis_level"] == level


@pytest.mark.parametrize(
    "words",
    [
        ("--participant_label", "01", "02", "--", "my_bids", "my_out", "participant"),
        ("-w", "my_work", "my_bids", "my_out", "participant"),
        ("--nprocs=2", "my_bids", "my_out", "participant"),
    ],
)
def test_options_of_a_call_without_verb_may_come_first(monkeypatch, words):
    seen = {}
    monkeypatch.setattr("bgpvs_wf.cli.run.run", lambda args: seen.update(vars(args)) or 0)
    assert main(list(words)) == 0
    assert (seen["bids_dir"], seen["output_dir"]) == (Path("my_bids"), Path("my_out"))
    assert seen["analysis_level"] == "participant"


NUMBERS = [
    ("simulate", "OUT", "--seed"),
    ("simulate", "OUT", "--tubes"),
    ("simulate", "OUT", "--jobs"),
    ("simulate", "OUT", "--subjects"),
    ("simulate", "OUT", "--oblique"),
    ("simulate", "OUT", "--cases"),
    ("validate", "BIDS", "OUT", "--cases"),
    ("validate", "BIDS", "OUT", "--seed"),
    ("suggest", "OUT", "EXPORT", "--number"),
    ("suggest", "OUT", "EXPORT", "--seed"),
    ("evaluate", "--reference", "A", "--prediction", "B", "--out", "C", "--seed"),
    ("submit", "BIDS", "OUT", "--array", "--max-jobs"),
    ("finetune", "BIDS", "OUT", "--labels", "L", "--steps"),
    ("finetune", "BIDS", "OUT", "--labels", "L", "--learning-rate"),
    ("finetune", "BIDS", "OUT", "--labels", "L", "--held-out"),
    ("finetune", "BIDS", "OUT", "--labels", "L", "--seed"),
]


@pytest.mark.parametrize("value", ["nan", "inf", "-1e308", "two", "", "1e400"])
@pytest.mark.parametrize("words", NUMBERS, ids=[f"{w[0]} {w[-1]}" for w in NUMBERS])
def test_numbers_that_are_none_are_refused_by_option(capsys, words, value):
    line = refused(capsys, *words[:-1], f"{words[-1]}={value}")
    assert f"{words[-1]} is" in line
    assert "; give" in line


def test_no_option_escapes_the_checks():
    """All that reads a number has bounds: nobody may add one that takes what it is given."""
    parser = build_parser()
    for verb in VERBS:
        for action in parser.leaf([verb])._actions:
            assert action.type not in (int, float), (verb, action.option_strings)


PATHS = [
    ("a\nb", "control characters"),
    ("~nosuchuser/x", "no home here"),
    ("x" * 300, "too long"),
    ("", "which is empty"),
]


@pytest.mark.parametrize(("path", "words"), PATHS)
@pytest.mark.parametrize(
    "call",
    [
        ("run", "{}", "out"),
        ("run", "bids", "{}"),
        ("run", "bids", "out", "-w", "{}"),
        ("run", "bids", "out", "--config", "{}"),
        ("run", "bids", "out", "--use-plugin", "{}"),
        ("run", "bids", "out", "--derivatives", "a={}/"),
        ("status", "{}"),
        ("suggest", "{}", "x"),
        ("train", "{}", "x"),
        ("compare", "x", "{}"),
        ("evaluate", "--reference", "{}", "--prediction", "B", "--out", "C"),
        ("simulate", "{}"),
        ("atlas", "add", "{}"),
    ],
)
def test_paths_that_nobody_means_are_refused(capsys, call, path, words):
    if not path and "a={}/" in call:
        pytest.skip("a= has a path: /")
    line = refused(capsys, *(word.format(path) for word in call))
    assert words in line


PLUGINS = [
    "plugin: MultiProc\nplugin_args: {1: 2}\n",
    "plugin: MultiProc\nplugin_args: {n_procs: two}\n",
    "plugin: MultiProc\nplugin_args: {n_procs: -1}\n",
    "plugin: MultiProc\nplugin_args: {n_procs: .nan}\n",
    "plugin: MultiProc\nplugin_args: {memory_gb: .inf}\n",
    "plugin: MultiProc\nplugin_args: {a: !!binary aGk=}\n",
    "plugin: MultiProc\nplugin_args: &x {a: *x}\n",
    "plugin: MultiProc\nplugin_args: {a: &y [*y]}\n",
    "plugin: MultiProc\nplugin_args: {a: {b: 1}}\n",
    "plugin: MultiProc\nplugin_args: {a: 2026-01-01}\n",
    'plugin: SLURM\nplugin_args: {sbatch_args: "-p a\\nrm"}\n',
    "plugin: MultiProc\nplugin_args: [1]\n",
    "plugin: 3\n",
    "- a\n",
    "plugin: [" + "[" * 3000,
]


@pytest.mark.parametrize("text", PLUGINS)
def test_a_plugin_file_that_says_something_else_is_refused(capsys, tmp_path, text):
    file = tmp_path / "plugin.yml"
    file.write_text(text)
    line = refused(capsys, "run", "bids", "out", "--use-plugin", str(file))
    assert "plugin.yml" in line


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "nprocs = 'two'",
        "derivatives = {a = 5}",
        "quantify = 3",
        "[quantify]\nmin_volume_mm3 = nan",
        "nproc = 2",
        "a = = 1",
        "work_dir = 'x\\ny'".replace("'", '"'),
    ],
)
def test_a_settings_file_that_says_something_else_is_refused(capsys, tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    line = refused(capsys, "run", "bids", "out", "--config", str(file))
    assert len(line) < 400
    assert line.startswith("bgpvs-wf")


@pytest.mark.parametrize(
    "given", [("a=b", "a=c"), ("=x",), ("a=",)], ids=["twice", "no name", "no path"]
)
def test_derivatives_without_a_name_of_their_own_are_refused(capsys, given):
    assert "--derivatives" in refused(capsys, "run", "bids", "out", "--derivatives", *given)


def test_odd_alphabets_do_not_break_what_is_said(tmp_path):
    from program import PROGRAM

    name = os.fsdecode(b"caf\xe9")
    done = subprocess.run(
        [*PROGRAM, "run", tmp_path / "zürich", tmp_path / "out"],
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    done = subprocess.run(
        [*PROGRAM, "run", tmp_path / name, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not UTF-8" in done.stderr


def _arguments(parser, name="bgpvs-wf"):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield f"{name} {choice.dest}", choice
            for verb, below in action.choices.items():
                yield from _arguments(below, f"{name} {verb}")
        elif action.dest != "help":
            yield name, action


@pytest.mark.parametrize(
    ("where", "argument"),
    [pytest.param(*one, id=f"{one[0]} {one[1].dest}") for one in _arguments(build_parser())],
)
def test_help_has_one_voice(where, argument):
    """A phrase in small letters with no full stop; a name such as T1w or NIfTI stays as it is."""
    told = argument.help
    assert told, "no help"
    assert not told.endswith((".", ";", ","))
    assert told[0] != "("
    first = told.split()[0]
    assert first.islower() or not first[1:2].islower(), first
    if getattr(argument, "metavar", None) == "OUT_DIR" and "run" not in where.split():
        assert "output folder" in told.lower() or "results" in told


@pytest.mark.parametrize("name", ["dataset", "participant_label", "seed", "jobs"])
def test_an_option_of_several_verbs_is_the_same_in_all(name):
    found = [one for _, one in _arguments(build_parser()) if one.dest == name]
    assert found
    assert len({(one.nargs, one.metavar, type(one)) for one in found}) == 1
    heads = {re.split(r" of | that |\(", one.help)[0].strip(" ;") for one in found}
    assert len(heads) == 1, heads
