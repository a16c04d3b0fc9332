"""The whole job through the command line, on infants so small that it takes seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bgpvs_wf.imaging.files import save_image
from bgpvs_wf.phantom.subject import SyntheticInfant

_CALL = (
    "import sys; from bgpvs_wf.cli.main import main; status = main();"
    "sys.stderr.write(f'nipype imported: {\"nipype\" in sys.modules}\\n'); sys.exit(status)"
)
_MACHINE = ("--nprocs", "2", "--omp-nthreads", "1")
_FAST = ("--no-bias-correction", "--segmentation", "pseudolabel", "--strategy", "filter", *_MACHINE)


@dataclass
class Dataset:
    """Copies of one infant as a BIDS dataset, its labels as derivatives, and a place to work."""

    root: Path
    infant: SyntheticInfant

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def truth(self) -> Path:
        return self.bids / "derivatives" / "truth"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def describe(self) -> None:
        for folder, kind in ((self.bids, "raw"), (self.truth, "derivative")):
            folder.mkdir(parents=True, exist_ok=True)
            text = {"Name": "tiny", "BIDSVersion": "1.10.0", "DatasetType": kind}
            (folder / "dataset_description.json").write_text(json.dumps(text))

    def ages(self, rows: dict[str, str]) -> None:
        lines = ["participant_id\tage", *(f"sub-{name}\t{age}" for name, age in rows.items())]
        (self.bids / "participants.tsv").write_text("\n".join([*lines, ""]))
        sidecar = {"age": {"Units": "weeks", "Description": "post-menstrual age at scan"}}
        (self.bids / "participants.json").write_text(json.dumps(sidecar))

    def image(self, subject: str, suffix: str = "T2w", session: str | None = None) -> Path:
        return self._path(self.bids, subject, suffix, session)

    def dseg(self, subject: str, session: str | None = None) -> Path:
        return self._path(self.truth, subject, "desc-aseg_dseg", session)

    def _path(self, root: Path, subject: str, rest: str, session: str | None) -> Path:
        entities = [f"sub-{subject}", *([f"ses-{session}"] if session else [])]
        return root.joinpath(*entities, "anat", "_".join([*entities, rest]) + ".nii.gz")

    def add(
        self, subject: str, suffixes: tuple[str, ...] = ("T2w",), session: str | None = None
    ) -> Path:
        """Add an infant; return its first image."""
        arrays = {"T2w": self.infant.t2w, "T1w": self.infant.t1w}
        for suffix in suffixes:
            path = self.image(subject, suffix, session)
            save_image(np.round(arrays[suffix]), self.infant.affine, path, dtype=np.int16)
        labels = self.dseg(subject, session)
        save_image(self.infant.dseg, self.infant.affine, labels, labels=True)
        return self.image(subject, suffixes[0], session)

    def add_with(self, subject: str, data: np.ndarray, affine: np.ndarray | None = None) -> None:
        """Add an infant whose T2w has these voxels; nothing is checked."""
        path = self.add(subject)
        nib.save(nib.Nifti1Image(data, self.infant.affine if affine is None else affine), path)

    def call(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _CALL, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=self.root,
            env=os.environ | {"BGPVS_WF_ATLASES": str(self.root / "atlases")},
            timeout=500,
            check=False,
        )

    def run(self, *words: str | Path, out: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Call `run` with the truth as anatomy, unless other words say otherwise."""
        given: list[Any] = [] if "-w" in words else ["-w", self.work]
        if "--anatomy" not in words:
            given += ["--derivatives", f"truth={self.truth}", "--anatomy", "derivatives"]
        return self.call("run", self.bids, out or self.out, *words, *given, *_FAST)


def _error(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("nipype imported")]
    (line,) = lines
    assert line.startswith("bgpvs-wf: ")
    return line


def _results(out: Path, label: str) -> dict[str, bytes]:
    """Return label maps and tables of a subject."""
    files = [path for path in out.rglob(f"{label}_*") if "dseg" in path.name or "tsv" in path.name]
    return {path.name: path.read_bytes() for path in files if path.suffix != ".json"}


def _made(work: Path) -> dict[str, int]:
    """Return when each node was run last."""
    made = {path: path.stat().st_mtime_ns for path in work.rglob("result_*.pklz")}
    return {str(path.relative_to(work)): when for path, when in made.items()}


def _stages_made(before: dict[str, int], after: dict[str, int]) -> set[tuple[str, str]]:
    """Return subject and stage of the nodes that ran in between."""
    ran = [name for name, when in after.items() if before.get(name) != when]
    return {tuple(Path(name).parts[1:3]) for name in ran}


def _dataset(root: Path, infant: SyntheticInfant) -> Dataset:
    dataset = Dataset(root, infant)
    dataset.describe()
    return dataset


GOOD = ("sub-01", "sub-02", "sub-03", "sub-04_ses-a", "sub-04_ses-b")
BAD = {
    "sub-truncated": ("truncated or damaged", "copy it again"),
    "sub-plain": ("not gzip-compressed", "gzip it"),
    "sub-fourd": ("4 dimensions", "one 3D image"),
    "sub-nan": ("7 NaN or infinite voxels", "replace them"),
    "sub-zero": ("all-zero", "export it again"),
    "sub-metres": ("metres?", "repair its header"),
    "sub-grid": ("on another grid", "resample the labels"),
    "sub-labels": ("are in no known table", "give a label table"),
    "sub-empty": ("has no T2w and no T1w image", "leave it out"),
}


@dataclass
class Cohort:
    """A dataset with good and bad subjects after its first run."""

    dataset: Dataset
    done: subprocess.CompletedProcess[str]
    raw: dict[Path, int]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, tiny_infant: SyntheticInfant) -> Cohort:
    dataset = _dataset(tmp_path_factory.mktemp("whole"), tiny_infant)
    data, affine = np.round(tiny_infant.t2w).astype(np.float32), tiny_infant.affine
    dataset.add("01", ("T2w", "T1w"))
    dataset.add("02")
    dataset.add("03", ("T1w",))
    dataset.add("04", session="a")
    dataset.add("04", session="b")
    truncated = dataset.add("truncated")
    truncated.write_bytes(truncated.read_bytes()[:4000])
    dataset.add("plain").write_bytes(nib.Nifti1Image(data, affine).to_bytes())
    dataset.add_with("fourd", np.stack([data, data], axis=-1))
    holes = data.copy()
    holes.flat[:7] = np.nan
    dataset.add_with("nan", holes)
    dataset.add_with("zero", np.zeros_like(data))
    dataset.add_with("metres", data, np.diag([0.001, 0.001, 0.001, 1]) @ affine)
    dataset.add("grid")
    save_image(tiny_infant.dseg[:-2], affine, dataset.dseg("grid"), labels=True)
    dataset.add("labels")
    unknown = np.where(tiny_infant.dseg > 0, 700 + tiny_infant.dseg, 0)
    save_image(unknown, affine, dataset.dseg("labels"), labels=True)
    (dataset.bids / "sub-empty" / "anat").mkdir(parents=True)
    # Nobody has an age: derivatives need none.
    raw = {path: path.stat().st_mtime_ns for path in dataset.bids.rglob("*")}
    return Cohort(dataset, dataset.run("--plugin", "MultiProc"), raw)


def test_bad_subjects_fail_with_a_line_each(cohort):
    assert cohort.done.returncode == 1, cohort.done.stderr
    for label, (what, todo) in BAD.items():
        lines = [x for x in cohort.done.stdout.splitlines() if x.startswith(f"  {label}: ")]
        assert len(lines) == 1, (label, lines)
        assert what in lines[0], lines[0]
        assert todo in lines[0], lines[0]
        assert "Traceback" not in lines[0]
        where = cohort.dataset.truth if label in ("sub-grid", "sub-labels") else cohort.dataset.bids
        assert label == "sub-empty" or f"{where / label}/" in lines[0]
        assert not list(cohort.dataset.out.rglob(f"{label}*.html"))


def test_good_subjects_are_whole(cohort):
    out = cohort.dataset.out
    assert f"Done: {', '.join(GOOD)}." in cohort.done.stdout
    expected = None
    for label in GOOD:
        files = _results(out, label)
        names = {name.removeprefix(label) for name in files}
        assert names == (expected := expected or names)
        assert (out / f"{label}.html").is_file()
        image = nib.load(next(out.rglob(f"{label}_desc-bgpvs_dseg.nii.gz")))
        assert image.shape == cohort.dataset.infant.dseg.shape
        assert np.asanyarray(image.dataobj).max() == 2
    table = [line.split("\t")[:2] for line in (out / "group_bgpvs.tsv").read_text().splitlines()]
    sessions = {(s, "n/a") for s in ("01", "02", "03")} | {("04", "a"), ("04", "b")}
    assert set(map(tuple, table[1:])) == sessions
    assert not list(out.rglob("*.tmp"))


def test_raw_data_is_as_it_was(cohort):
    assert {p: p.stat().st_mtime_ns for p in cohort.dataset.bids.rglob("*")} == cohort.raw


@pytest.mark.parametrize(
    ("label", "there", "missing"), [("02", "T2w", "T1w"), ("03", "T1w", "T2w")]
)
def test_one_image_is_enough_and_the_page_says_so(cohort, label, there, missing):
    page = (cohort.dataset.out / f"sub-{label}.html").read_text()
    assert f"{there} only, no {missing}" in page
    found = {path.name for path in cohort.dataset.out.rglob(f"sub-{label}_*_T?w.nii.gz")}
    assert found == {f"sub-{label}_desc-preproc_{there}.nii.gz"}


def test_a_second_run_does_nothing(cohort):
    words = ("--participant-label", "01", "02", "03", "04")
    before = {p: p.stat().st_mtime_ns for p in cohort.dataset.out.rglob("*")}
    made = _made(cohort.dataset.work)
    start = time.monotonic()
    again = cohort.dataset.run(*words)
    assert time.monotonic() - start < 10
    assert again.returncode == 0
    assert again.stdout.startswith(f"Nothing to do: {', '.join(GOOD)} finished before")
    assert "nipype imported: False" in again.stderr
    assert {p: p.stat().st_mtime_ns for p in cohort.dataset.out.rglob("*")} == before
    assert _made(cohort.dataset.work) == made


def test_linear_gives_the_same_bytes(cohort, tmp_path):
    words = ("--plugin", "Linear", "--participant-label", "01", "-w", tmp_path / "work")
    done = cohort.dataset.run(*words, out=tmp_path / "out")
    assert done.returncode == 0, done.stdout
    ours, theirs = _results(tmp_path / "out", "sub-01"), _results(cohort.dataset.out, "sub-01")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_only_what_changed_runs_again(cohort):
    """A setting, then an image; with a look ahead before each."""
    dataset = cohort.dataset
    words = ("--participant-label", "01", "02", "--min-volume-mm3", "1")
    before = _made(dataset.work)
    files = {p for p in dataset.out.rglob("*") if p.parent.name != "logs"}
    ahead = dataset.run(*words, "--dry-run")
    assert ahead.returncode == 0, ahead.stderr
    assert "2 of 2 would run; nothing was run" in ahead.stdout
    assert ahead.stdout.count("quantify, sink") == 2
    assert {p for p in dataset.out.rglob("*") if p.parent.name != "logs"} == files
    assert _made(dataset.work) == before
    changed = dataset.run(*words)
    assert changed.returncode == 0, changed.stdout
    after = _made(dataset.work)
    stages = {(f"sub_{n}_wf", stage) for n in ("01", "02") for stage in ("quantify_wf", "sink_wf")}
    assert _stages_made(before, after) == stages
    assert "sub-01: ran quantify, sink; reused prepare, anatomy, pseudolabel" in changed.stdout

    image = dataset.image("02")
    save_image(np.round(dataset.infant.t2w * 1.01), dataset.infant.affine, image, dtype=np.int16)
    replaced = dataset.run(*words, "-v")
    assert replaced.returncode == 0, replaced.stdout
    assert "Unchanged: sub-01 finished before." in replaced.stdout
    assert "sub-02 will run: sub-02_T2w.nii.gz changed." in replaced.stdout
    assert {subject for subject, _ in _stages_made(after, _made(dataset.work))} == {"sub_02_wf"}


def test_python_shares_the_cache(cohort):
    """Last, since it changes where the results of the cached nodes go."""
    dataset = cohort.dataset
    out, before = dataset.root / "python", _made(dataset.work)
    script = (
        "from bgpvs_wf import RunConfig, init_bgpvs_wf\n"
        "config = RunConfig.from_mapping({\n"
        f"    'bids_dir': {str(dataset.bids)!r}, 'output_dir': {str(out)!r},\n"
        f"    'work_dir': {str(dataset.work)!r}, 'participant_label': ['03'], 'nprocs': 1,\n"
        f"    'derivatives': {{'truth': {str(dataset.truth)!r}}},\n"
        "    'prepare': {'bias_correction': False}, 'anatomy': {'source': 'derivatives'},\n"
        "    'segmentation': 'pseudolabel', 'pseudolabel': {'strategy': 'filter'}})\n"
        "init_bgpvs_wf(config).run(plugin='Linear')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=dataset.root,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = {stage for stage in _stages_made(before, _made(dataset.work)) if "sub_" in stage[0]}
    assert made == {("sub_03_wf", "sink_wf")}
    assert _results(out, "sub-03") == _results(dataset.out, "sub-03")
    assert (out / "dataset_description.json").is_file()
    table = (dataset.out / "group_bgpvs.tsv").read_text().splitlines(keepends=True)
    mine = [line for line in table if line.startswith(("subject", "03\t"))]
    assert (out / "group_bgpvs.tsv").read_text() == "".join(mine)


@pytest.fixture
def small(tmp_path: Path, tiny_infant: SyntheticInfant) -> Dataset:
    dataset = _dataset(tmp_path, tiny_infant)
    dataset.add("01")
    return dataset


def test_ages_where_an_atlas_needs_them(small):
    rows = {"missing": "n/a", "words": "three", "old": "400", "young": "12"}
    for name in rows:
        small.add(name)
    small.ages(rows)
    done = small.run("--anatomy", "atlas", "--participant-label", *rows, "--plugin", "Linear")
    assert done.returncode == 1
    for name, words in (
        ("missing", "is missing; add it"),
        ("words", "'three', unreadable; add it"),
        ("old", "400.0 post-menstrual weeks"),
        ("young", "12.0 post-menstrual weeks"),
    ):
        (line,) = (x for x in done.stdout.splitlines() if x.startswith(f"  sub-{name}: "))
        assert words in line
        assert f"sub-{name}" in line[len(f"  sub-{name}: ") :]
        assert f"{small.bids / 'participants.tsv'} column 'age'" in line


def test_calls_on_bad_folders(small):
    a_file = small.root / "file"
    a_file.write_text("")
    empty = small.root / "empty"
    empty.mkdir()
    given = ("--derivatives", f"truth={small.truth}", "-w", small.work)
    for words, call in {
        "no dataset_description.json": ("run", empty, small.out),
        "No participant 99 found; there is 01": (
            *("run", small.bids, small.out), "--participant-label", "99"
        ),
        "inside the raw dataset; put it elsewhere": ("run", small.bids, small.bids / "results"),
        f"{a_file} is no folder": ("run", small.bids, a_file / "out"),
    }.items():  # fmt: skip
        done = small.call(*call, *given)
        assert done.returncode == 2, call
        assert words in _error(done)
    done = small.call("run", small.bids, small.out, "-w", a_file / "work")
    assert done.returncode == 2
    assert f"work folder {a_file / 'work'} cannot be made" in _error(done)
    assert not small.out.exists()
    assert not (small.bids / "results").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of four megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here (needs root)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_before_or_while_it_runs(small, small_disk):
    """The check before wants a megabyte; later nothing is left half written."""
    other, out = small_disk / "other", small_disk / "out"
    other.write_bytes(bytes(2**22 - 2**19))
    done = small.run("--plugin", "Linear", out=out)
    assert done.returncode == 2
    assert f"output folder {out}: No space left on device. Free some" in _error(done)

    # Noise cannot be compressed: more than the megabyte that is left.
    rng = np.random.default_rng(1)
    small.add_with("01", rng.uniform(1, 1000, (80, 80, 80)).astype(np.float32))
    work = small_disk / "work"
    other.write_bytes(bytes(2**22 - 2**20 - 2**16))
    done = small.run("--plugin", "Linear", "-w", work)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (x for x in done.stdout.splitlines() if x.startswith("  sub-01: "))
    assert re.search(rf"No space left in {work}\S+ for T2w.nii.gz; free some", line), line
    assert not list(small_disk.rglob("*.tmp"))
    other.unlink()
    small.add("01")
    again = small.run("--plugin", "Linear", "-w", work)
    assert again.returncode == 0, again.stdout
