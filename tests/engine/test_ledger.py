from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgpvs_wf._version import __version__
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import QuantifyConfig, RunConfig
from bgpvs_wf.engine.ledger import Ledger, describe_subject, missing_outputs
from bgpvs_wf.engine.record import Record

_names = st.text("abcdefgh/_-.", min_size=1, max_size=8)
_values = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), _names)
_records = st.builds(
    Record,
    version=st.sampled_from(["0.1.0", "0.2.0"]),
    settings=st.dictionaries(_names, st.one_of(_values, st.lists(_values, max_size=3))),
    facts=st.dictionaries(_names, _values),
    inputs=st.dictionaries(_names, st.tuples(st.integers(0, 10**9), st.integers(0, 2**62))),
    outputs=st.dictionaries(_names, st.integers(0, 10**9)),
)


@pytest.fixture
def finished(tmp_path):
    """Return a configuration, a subject, its outputs, and the ledger that has it."""
    image = tmp_path / "bids" / "sub-01_T2w.nii.gz"
    image.parent.mkdir()
    image.write_text("image")
    config = RunConfig(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        segmentation="pseudolabel",
    )
    subject = SubjectInputs(subject="01", t2w=image, age_weeks=44.0)
    outputs = {"morph": tmp_path / "out" / "morph.tsv"}
    outputs["morph"].parent.mkdir()
    outputs["morph"].write_text("1")
    ledger = Ledger(tmp_path / "out" / "logs" / "ledger")
    ledger.write(subject.label, describe_subject(config, subject, outputs))
    return config, subject, outputs, ledger


@given(record=_records)
def test_a_record_comes_back_as_it_was(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger")
    ledger.write("sub-01", record)
    back = ledger.read("sub-01")
    assert back == record
    assert back.changes(record) == []


@given(then=_records, now=_records)
def test_a_difference_always_has_a_reason(then, now):
    def essence(record: Record) -> dict:
        plain = dataclasses.asdict(record)
        del plain["outputs"]
        # A setting that is unset and one that is not there are the same.
        for part in ("settings", "facts"):
            plain[part] = {name: v for name, v in plain[part].items() if v is not None}
        return plain

    assert bool(then.changes(now)) == (essence(then) != essence(now))


def test_a_finished_subject_has_no_reason_to_run(finished):
    config, subject, outputs, ledger = finished
    assert ledger.reasons(config, subject, outputs) == []
    record = ledger.read("sub-01")
    assert record.outputs == {"morph.tsv": 1}
    assert str(subject.t2w) in record.inputs


def test_settings_of_the_run_itself_do_not_matter(finished):
    config, subject, outputs, ledger = finished
    other = dataclasses.replace(
        config,
        nprocs=99,
        plugin="SLURM",
        plugin_args={"a": 1},
        memory_gb=3.0,
        work_dir=Path("/elsewhere"),
        participant_label=("01",),
        stop_on_first_crash=True,
    )
    assert ledger.reasons(other, subject, outputs) == []


def test_every_stage_setting_and_the_seed_matter(finished):
    config, subject, outputs, ledger = finished
    other = dataclasses.replace(config, random_seed=1, quantify=QuantifyConfig(min_volume_mm3=1.0))
    assert ledger.reasons(other, subject, outputs) == [
        "quantify.min_volume_mm3 was 0.0, is 1.0",
        f"random_seed was {config.random_seed}, is 1",
    ]
    settings = ledger.read("sub-01").settings
    for stage in ("prepare", "anatomy", "pseudolabel", "quantify"):
        for field in dataclasses.fields(getattr(config, stage)):
            assert f"{stage}.{field.name}" in settings


@pytest.mark.parametrize("what", ["time", "size", "other file", "age", "output", "version"])
def test_each_change_is_named(finished, what, monkeypatch):
    config, subject, outputs, ledger = finished
    if what == "time":
        os.utime(subject.t2w, ns=(1, 1))
        expected = ["sub-01_T2w.nii.gz changed"]
    elif what == "size":
        subject.t2w.write_text("another image")
        expected = ["sub-01_T2w.nii.gz changed"]
    elif what == "other file":
        other = subject.t2w.with_name("sub-01_run-2_T2w.nii.gz")
        other.write_text("image")
        subject = dataclasses.replace(subject, t2w=other)
        expected = ["sub-01_T2w.nii.gz is used no longer", f"{other.name} is used now"]
    elif what == "age":
        subject = dataclasses.replace(subject, age_weeks=45.0)
        expected = ["age_weeks was 44.0, is 45.0"]
    elif what == "output":
        outputs["morph"].unlink()
        expected = ["morph.tsv is missing"]
    else:
        monkeypatch.setattr("bgpvs_wf.engine.record.__version__", "9.9")
        expected = [f"made by version {__version__}, this is 9.9"]
    assert sorted(ledger.reasons(config, subject, outputs)) == sorted(expected)


def test_an_atlas_that_changes_makes_its_subjects_run(finished, tmp_path, monkeypatch):
    config, subject, outputs, ledger = finished
    folder = tmp_path / "atlases" / "mine"
    folder.mkdir(parents=True)
    (folder / "dseg.nii.gz").write_text("labels")
    entry = {"age_weeks": 40, "min_age_weeks": 37, "max_age_weeks": 45, "dseg": "dseg.nii.gz"}
    (folder / "atlas.json").write_text(json.dumps({"name": "mine", "entries": [entry]}))
    monkeypatch.setenv("BGPVS_WF_ATLASES", str(folder.parent))
    assert "dseg.nii.gz is used now" in ledger.reasons(config, subject, outputs)
    ledger.write(subject.label, describe_subject(config, subject, outputs))
    assert ledger.reasons(config, subject, outputs) == []
    os.utime(folder / "dseg.nii.gz", ns=(1, 1))
    assert ledger.reasons(config, subject, outputs) == ["dseg.nii.gz changed"]
    # Whoever has a dseg of its own needs no atlas.
    own = dataclasses.replace(subject, dseg=subject.t2w)
    assert str(folder / "dseg.nii.gz") not in describe_subject(config, own).inputs


def test_a_result_corrected_by_hand_is_left_alone(finished):
    config, subject, outputs, ledger = finished
    outputs["morph"].write_text("corrected")
    assert ledger.reasons(config, subject, outputs) == []


def test_an_empty_result_is_a_missing_one(finished):
    _, _, outputs, _ = finished
    outputs["morph"].write_text("")
    assert missing_outputs(outputs) == [outputs["morph"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "it is [], not a mapping"),
        ("null", "it is None, not a mapping"),
        ('{"version": "1"}', "'settings' is missing"),
        ({"version": 1}, "'version' is 1, not a text"),
        ({"settings": []}, "'settings' is [], not a mapping"),
        ({"facts": "x"}, "'facts' is 'x', not a mapping"),
        ({"facts": {"age_weeks": "old"}}, "'age_weeks' is 'old', not a number"),
        ({"facts": {"age_weeks": True}}, "'age_weeks' is True, not a number"),
        ({"inputs": 5}, "'inputs' is 5, not a mapping"),
        ({"inputs": {"a": 5}}, "'inputs.a' is 5, not a list"),
        ({"inputs": {"a": [1]}}, "'inputs.a' has 1 values, not 2"),
        ({"inputs": {"a": [1, "b"]}}, "'inputs.a.1' is 'b', not a whole number"),
        ({"outputs": None}, "'outputs' is None, not a mapping"),
        ({"outputs": {"a": "b"}}, "'outputs.a' is 'b', not a whole number"),
        (b"\xff\xfe", "it is not UTF-8 text"),
    ],
)
def test_a_damaged_record_counts_as_none_and_is_named(finished, text, says):
    config, subject, outputs, ledger = finished
    path = ledger.path("sub-01")
    if isinstance(text, dict):
        text = json.dumps(json.loads(path.read_text()) | text)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (reason,) = ledger.reasons(config, subject, outputs)
    assert reason.startswith(f"its record {path} is damaged (")
    assert says in reason
    assert ledger.read("sub-01") is None


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"config_file": "c", "crashes": "x"}', '{"config_file": 1, "crashes": []}']
    + [f'{{"config_file": "c", "crashes": [{crash}]}}' for crash in ("1", "{}", '{"node": 1}')],
)
def test_a_damaged_note_of_a_failure_is_a_failure(finished, text):
    ledger = finished[3]
    path = ledger.folder / "sub-01.failed.json"
    path.write_text(text)
    failure = ledger.failure("sub-01")
    assert f"{path}, is damaged (" in failure.crashes[0].cause
    assert failure.config_file is None


def test_forgetting(finished):
    config, subject, outputs, ledger = finished
    ledger.forget("sub-01")
    ledger.forget("sub-01")
    assert ledger.reasons(config, subject, outputs) == ["not finished before"]
