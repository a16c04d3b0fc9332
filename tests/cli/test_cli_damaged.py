"""What is damaged of one subject is named, and costs nobody else anything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bgpvs_wf.bids.derivatives import write_dataset_description
from bgpvs_wf.cli.main import main
from bgpvs_wf.config import BOTH_LEVELS, RunConfig, settings_text
from bgpvs_wf.engine.ledger import Ledger, describe_subject
from bgpvs_wf.engine.record import changes_since, describe, write_record
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.learning.training.monitor import read_monitor
from bgpvs_wf.quantification.columns import REGION_COLUMNS
from bgpvs_wf.quantification.parcels import region_rows
from bgpvs_wf.studies.cohort import find_jobs

ANAT = Path("sub-02") / "anat"
MORPH = ANAT / "sub-02_desc-bgpvs_morph.tsv"
RECORD = Path("logs") / "ledger" / "sub-02.json"
FAILED = Path("logs") / "ledger" / "sub-02.failed.json"
SIDECAR = ANAT / "sub-02_desc-bgpvs_dseg.json"
SUBMISSION = Path("logs") / "20260101-000000" / "submission.json"


class Out:
    """The output folder of three finished subjects, and the program on it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.folder = root / "out"
        bids = root / "bids"
        for name in ("01", "02", "03"):
            text("image")(bids / f"sub-{name}" / "anat" / f"sub-{name}_T2w.nii.gz")
        text('{"Name": "x", "BIDSVersion": "1.10.0"}')(bids / "dataset_description.json")
        config = RunConfig(
            bids_dir=bids,
            output_dir=self.folder,
            work_dir=root / "work",
            segmentation="pseudolabel",
        )
        for job in find_jobs(config)[1]:
            for path in job.outputs.values():
                text(table() if path.suffix == ".tsv" else "result")(path)
            record = describe_subject(config, job.subject, job.outputs)
            Ledger.of(self.folder).write(job.label, record)
        write_dataset_description(config)
        text(settings_text(config, BOTH_LEVELS))((self / SUBMISSION).parent / "config.toml")

    def __truediv__(self, path: Path) -> Path:
        return self.folder / path

    def call(self, *words: str | Path) -> tuple[int, str]:
        """Call the program; return its status and all it said."""
        given = ("--segmentation", "pseudolabel", "-w", self.root / "work", "--plugin", "Linear")
        status = main([*map(str, words), *map(str, given if words[0] == "run" else ())])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return status, said.out + said.err

    def run(self, *words: str) -> tuple[int, str]:
        return self.call("run", self.root / "bids", self.folder, *words)

    def in_table(self) -> list[str]:
        rows = (self.folder / "group_bgpvs.tsv").read_text().splitlines()[1:]
        return list(dict.fromkeys(row.split("\t")[0] for row in rows))


def table() -> str:
    """Return a table of regions."""
    rows = [list(REGION_COLUMNS)]
    for row in region_rows(set(), False, "nuclei"):
        known = {"name": row.name, "region": row.region, "side": row.side}
        rows.append([known.get(column, "1") for column in REGION_COLUMNS])
    return "".join("\t".join(row) + "\n" for row in rows)


@pytest.fixture
def out(tmp_path, capsys, monkeypatch) -> Out:
    def cannot(*_):
        raise BadImageError("This toy builds nothing.")

    monkeypatch.setattr("bgpvs_wf.studies.cohort._init_subjects_wf", cannot)
    monkeypatch.setattr("bgpvs_wf.cli.run.set_up_process", lambda *_: None)
    monkeypatch.setattr("bgpvs_wf.cli.status.set_up_process", lambda *_: None)
    return Out(tmp_path, capsys)


Harm = Callable[[Path], object]


def text(content: str | bytes) -> Harm:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda path: (path.parent.mkdir(parents=True, exist_ok=True), path.write_bytes(data))


def keys(**changes: object) -> Harm:
    """Give keys of a JSON file other values; None removes them."""

    def harm(path: Path) -> None:
        content = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in content.items() if v != "removed"}))

    return harm


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    (path / "in it").mkdir(parents=True)


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def link(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path)


NO_JSON = {
    "empty": text(""),
    "cut": text('{"a": '),
    "deep": text("[" * 100_000),
    "latin-1": text('{"a": "ä"}'.encode("latin-1")),
    "zeros": text(b"\0" * 100),
    "list": text("[1]"),
    "null": text("null"),
    "number": text("5"),
    "text": text('"a"'),
    "folder": folder,
    "pipe": pipe,
    "link to itself": link,
}
RECORDS = {
    **NO_JSON,
    "mapping": text("{}"),
    "inputs": keys(inputs=5),
    "states": keys(inputs={"a": "b"}),
    "outputs": keys(outputs=None),
    "settings": keys(settings=[["a", 1]]),
    "facts": keys(facts="x"),
    "age": keys(facts={"age_weeks": "old"}),
    "version": keys(version=1),
    "no version": keys(version="removed"),
}
MORPHS = {
    "empty": text(""),
    "other": text("a\tb\n1\t2\n"),
    "header": text(table().partition("\n")[0] + "\n"),
    "commas": text(table().replace("\t", ",")),
    "utf-16": text(table().encode("utf-16")),
    "zeros": text(b"\0" * 1000),
    "cut": text(table()[:-20]),
    "text": text(table().replace("\t1\t1\n", "\t1\tmany\n", 1)),
    "negative": text(table().replace("\t1\t1\n", "\t1\t-1\n", 1)),
    "infinite": text(table().replace("\t1\t1\n", "\t1\tinf\n", 1)),
    "nan": text(table().replace("\t1\t1\n", "\t1\tnan\n", 1)),
    "name": text(table().replace("Left-Putamen", "Left-Pudding")),
    "row twice": text(table() + table().splitlines()[-1] + "\n"),
    "row lost": text("\n".join(table().splitlines()[:-1])),
    "folder": folder,
    "pipe": pipe,
    "link to itself": link,
}


@pytest.mark.parametrize("harm", RECORDS.values(), ids=RECORDS)
def test_a_record(out, harm):
    harm(out / RECORD)
    reason = f"its record {out / RECORD} is damaged ("
    status, said = out.run("--why")
    assert status == 0
    assert f"sub-02: {reason}" in said
    assert "1 of 3 would run" in said
    status, said = out.call("status", out.folder)
    assert status == 1
    assert "2 done, 1 waiting" in said
    assert f"waiting: sub-02: {reason}" in said
    status, said = out.run("group")
    assert status == 1
    assert f"not in the table: sub-02: {reason}" in said
    assert out.in_table() == ["01", "03"]
    status, said = out.run()
    assert status == 1
    assert "Unchanged: sub-01, sub-03 finished before." in said
    assert "  sub-02: " in said.partition("Failed: sub-02:")[2]
    if harm is folder:
        assert f"Cannot remove {out / RECORD}" in said
    else:
        assert "This toy builds nothing." in said


def test_a_lock_that_cannot_be_taken(out):
    (out / RECORD).unlink()
    folder(out / RECORD.with_name("sub-02.lock"))
    status, said = out.run()
    assert status == 1
    assert "Unchanged: sub-01, sub-03 finished before." in said
    assert "sub-02.lock" in said.partition("Failed: sub-02:")[2]


FAILURES = {
    **NO_JSON,
    "mapping": text("{}"),
    "crashes": text('{"config_file": "c", "crashes": "x"}'),
    "crash": text('{"config_file": "c", "crashes": [{"node": 1, "cause": 2, "path": 3}]}'),
    "config": text('{"config_file": 5, "crashes": []}'),
}


@pytest.mark.parametrize("harm", FAILURES.values(), ids=FAILURES)
def test_a_note_of_a_failure(out, harm):
    harm(out / FAILED)
    status, said = out.call("status", out.folder)
    assert status == 1
    assert "2 done, 1 failed" in said
    assert f"failed: sub-02: It failed, but the note of why, {out / FAILED}, is damaged (" in said


@pytest.mark.parametrize(
    "harm",
    [
        *(harm for harm in NO_JSON.values() if harm is not link),  # which leads to no submission
        text("{}"),
        text('{"tasks": ["sub-02"], "last": "1"}'),
        text('{"tasks": {"sub-02": 5}, "last": "1"}'),
        text('{"tasks": {}, "last": 5}'),
    ],
)
def test_a_submission(out, harm, caplog):
    harm(out / SUBMISSION)
    status, said = out.call("status", out.folder)
    assert status == 0
    assert "3 done" in said
    assert f"{out / SUBMISSION} is damaged (" in caplog.text


@pytest.mark.parametrize(
    "harm",
    [
        *NO_JSON.values(),
        text('{"Warnings": 5}'),
        text('{"Warnings": "upside down"}'),
        text('{"Warnings": [5]}'),
        text('{"Warnings": null}'),
    ],
)
def test_a_sidecar(out, harm):
    harm(out / SIDECAR)
    status, said = out.run()
    assert status == 0
    assert f"In doubt: sub-02:\n  sub-02: Its sidecar {out / SIDECAR} is damaged (" in said
    assert out.in_table() == ["01", "02", "03"]


@pytest.mark.parametrize("harm", MORPHS.values(), ids=MORPHS)
def test_a_table_of_regions(out, harm):
    harm(out / MORPH)
    for words in (("group",), ("group",)):
        status, said = out.run(*words)
        assert status == 1
        assert f"not in the table: sub-02: {out / MORPH} " in said
        assert out.in_table() == ["01", "03"]


@pytest.mark.parametrize("harm", [text(""), text("t2w_snr\nmany\n"), folder, pipe, link])
def test_a_table_of_quality(out, harm):
    anat = "sub-{0}/anat/sub-{0}_desc-bgpvs_quality.tsv"
    for label in ("01", "02", "03"):
        (out.folder / anat.format(label)).write_text("t2w_snr\n50\n")
    path = out.folder / anat.format("02")
    harm(path)
    status, _ = out.run("group")
    assert status == 0
    assert out.in_table() == ["01", "02", "03"]
    rows = (out.folder / "group_qc.tsv").read_text().splitlines()
    assert f"look\tIts quality is not known: {path.relative_to(out.folder)} " in rows[2]
    assert "Its quality is not known" not in rows[1] + rows[3]


def test_a_subject_that_lacks_in_the_table_of_all_is_told_of_every_time(out):
    text("a\tb\n1\t2\n")(out / MORPH)
    for _ in range(2):
        status, said = out.run()
        assert status == 1
        assert "Nothing to do: sub-01, sub-02, sub-03" in said
        assert f"not in the table: sub-02: {out / MORPH} has no column" in said
    (out / MORPH).write_text(table())
    assert out.run()[0] == 0
    assert out.in_table() == ["01", "02", "03"]


def test_no_table_can_be_used(out):
    for path in out.folder.rglob("*_morph.tsv"):
        path.write_text("")
    status, said = out.run("group")
    assert status == 1
    assert f"No results can be used. sub-01: {out.folder}/sub-01/anat/sub-01" in said
    assert "(3 such)" in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sub-02/ses-x/anat/sub-02_desc-bgpvs_morph.tsv", "sub-02: {1} and {0} are both of it"),
        ("sub-01/anat/sub-02_desc-bgpvs_morph.tsv", "sub-02: {0} and {1} are both of it"),
        ("sub-01/anat/sub-04_desc-bgpvs_morph.tsv", "sub-04: {0} is in the folder of another"),
        ("sub-02/anat/sub-02_ses-x_desc-bgpvs_morph.tsv", "sub-02_ses-x: {0} is in the folder of"),
        ("sub-02/anat/sub-02 copy_desc-bgpvs_morph.tsv", "sub-02 copy: {0} has a name that no run"),
    ],
)
def test_a_table_in_another_place(out, name, says):
    path = out / Path(name)
    text(table())(path)
    status, said = out.run("group")
    assert status == 1
    assert f"not in the table: {says.format(path, out / MORPH)}" in said
    assert out.in_table() == (["01", "03"] if "both" in says else ["01", "02", "03"])


@pytest.mark.parametrize("content", [b"", b"\0", b"subject,session\n", b"a\tb\n", b"\xff\xfe"])
def test_a_damaged_table_of_all_is_written_again(out, content):
    (out / Path("group_bgpvs.tsv")).write_bytes(content)
    status, _ = out.run()
    assert status == 0
    assert out.in_table() == ["01", "02", "03"]


def test_a_folder_in_place_of_the_table_of_all(out):
    folder(out / Path("group_bgpvs.tsv"))
    status, said = out.run()
    assert status == 1
    assert "Cannot write group_bgpvs.tsv" in said


@pytest.mark.parametrize(
    "harm",
    [
        *NO_JSON.values(),
        keys(outputs={"found": 3}),
        keys(outputs={"found": 3, "problems": [1]}),
        keys(outputs=5),
    ],
)
def test_what_is_remembered(tmp_path, harm):
    path, made_from = tmp_path / "made_from.json", describe({"seed": 1}, inputs=[tmp_path])
    shapes = {"found": int, "problems": [str, ...]}
    write_record(made_from, path, {"found": 3, "problems": ["x"]})
    assert changes_since(path, made_from, shapes) == ([], {"found": 3, "problems": ["x"]})
    harm(path)
    reasons, found = changes_since(path, made_from, shapes)
    assert str(path) in reasons[0]
    assert not found


def test_the_state_of_a_broken_link(tmp_path):
    (tmp_path / "a").symlink_to("nowhere")
    assert describe({}, inputs=[tmp_path / "a"]).inputs == {str(tmp_path / "a"): (-1, -1)}


@pytest.mark.parametrize("harm", [*NO_JSON.values(), text('{"step": 1}'), text('{"step": "x"}')])
def test_a_monitor(tmp_path, harm):
    path = tmp_path / "monitor.json"
    harm(path)
    assert read_monitor(path) is None
