"""The cohort's ledger: who is finished, what went in and what came out.

One small JSON file a subject and session, in the logs of the output folder. It is read before
anything heavy is imported, so that a run with nothing to do is over in seconds. Whoever is not
finished is handed to Nipype, whose own cache reruns only the stages behind a change. Beside it are
what a subject failed of, and while it runs, who runs it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bgpvs_wf.bids.derivatives import logs_path
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.crashes import Crash
from bgpvs_wf.engine.locks import Lock
from bgpvs_wf.engine.record import Record, describe, read_record, write_record
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.json_shapes import check_shape, is_number, shown
from bgpvs_wf.learning.models.bundle import find_model
from bgpvs_wf.reading import load_json, why_not

_NOT_IN_RESULTS = frozenset(
    {
        "bids_dir", "output_dir", "work_dir", "analysis_level", "participant_label", "session_id",
        "bids_filter_file", "derivatives", "ratings", "norms", "plugin", "plugin_args",
        "nprocs", "omp_nthreads", "memory_gb", "stop_on_first_crash", "clean", "predict.model",
        "predict.device",
    }
)  # fmt: skip
"""Settings that choose what is run, and how, but not what comes out for a subject; what comes of a
model is told by its checksum, wherever it is."""


@dataclass(frozen=True)
class Failure:
    """What a subject failed of."""

    crashes: tuple[Crash, ...]
    config_file: Path | None
    """The settings of the run; with them it can be run again."""

    @classmethod
    def from_json(cls, content: Any) -> Failure:
        """Return a failure from what its file holds.

        Raises
        ------
        ValueError
            If it is none: names the part that is not what it should be.
        """
        check_shape(content, {"config_file": str, "crashes": [_CRASH, ...]})
        crashes = tuple(
            Crash(c["node"], c["cause"], Path(c["path"]) if c["path"] else None)
            for c in content["crashes"]
        )
        return cls(crashes, Path(content["config_file"]))


_CRASH = {"node": str, "cause": str, "path": (str, None)}


def describe_subject(
    config: RunConfig, subject: SubjectInputs, outputs: Mapping[str, Path] | None = None
) -> Record:
    """Describe a subject as it is now.

    Parameters
    ----------
    config : RunConfig
    subject : SubjectInputs
    outputs : mapping of str to Path, optional
        The files it should have. Missing ones are left out of the record.

    Raises
    ------
    ModelError
        If the model cannot be used.
    """
    facts: dict[str, Any] = {}
    files = list(_atlas_files(config, subject))
    if config.norms is not None:
        files += [config.norms, *_dataset_tables(config.bids_dir, f"sub-{subject.subject}")]
    if config.has_model:
        facts["model"] = find_model(config.predict.model).label
    for field in dataclasses.fields(subject):
        value = getattr(subject, field.name)
        if isinstance(value, Path):
            files.append(value)
        elif field.name not in ("notes", "age_note"):
            facts[field.name] = value
    record = describe(config.to_mapping(), facts, files, without=_NOT_IN_RESULTS)
    sizes = {_relative(path, config.output_dir): _size(path) for path in (outputs or {}).values()}
    known = {name: size for name, size in sizes.items() if size is not None}
    return dataclasses.replace(record, outputs=known)


def _dataset_tables(bids_dir: Path, name: str) -> tuple[Path, Path]:
    """Return the tables that may tell which of several norms is a subject's."""
    return bids_dir / "participants.tsv", bids_dir / name / f"{name}_sessions.tsv"


def missing_outputs(outputs: Mapping[str, Path]) -> list[Path]:
    """Return the expected files that are not there, or empty."""
    return [path for path in outputs.values() if not _size(path)]


class Ledger:
    """The records of an output folder.

    Parameters
    ----------
    folder : Path
        Where the records are; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, output_dir: Path) -> Ledger:
        """Return the ledger of an output folder."""
        return cls(logs_path(output_dir) / "ledger")

    def path(self, label: str) -> Path:
        """Return the file of a subject's record."""
        return self.folder / f"{label}.json"

    def read(self, label: str) -> Record | None:
        """Return a subject's record, or None where there is none that can be read."""
        return self._look(label)[0]

    def absence(self, label: str) -> str:
        """Return why a subject has no record that can be read."""
        return self._look(label)[1]

    def _look(self, label: str) -> tuple[Record | None, str]:
        path = self.path(label)
        record, why = read_record(path, {str: int})
        age = record.facts.get("age_weeks") if record else None
        if age is not None and not is_number(age):
            return None, f"its record {path} is damaged ('age_weeks' is {shown(age)}, not a number)"
        return record, why

    def write(self, label: str, record: Record) -> None:
        """Write a subject's record, whole or not at all.

        Raises
        ------
        BGPVSError
            If it cannot be written.
        """
        write_record(record, self.path(label))
        self._failure_path(label).unlink(missing_ok=True)

    def lock(self, label: str) -> Lock:
        """Return the lock of a subject."""
        return Lock(self.folder / f"{label}.lock")

    def fail(self, label: str, crashes: Sequence[Crash], config_file: Path) -> None:
        """Write down what a subject failed of.

        Raises
        ------
        BGPVSError
            If it cannot be written.
        """
        content = {
            "config_file": str(config_file),
            "crashes": [
                {"node": c.node, "cause": c.cause, "path": c.path and str(c.path)} for c in crashes
            ],
        }
        write_json(content, self._failure_path(label))

    def failure(self, label: str) -> Failure | None:
        """Return what a subject failed of in its last run, if it did."""
        path = self._failure_path(label)
        try:
            return Failure.from_json(load_json(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = f"It failed, but the note of why, {path}, is damaged ({why_not(error, path)})."
            return Failure((Crash("", why),), None)

    def _failure_path(self, label: str) -> Path:
        return self.folder / f"{label}.failed.json"

    def forget(self, label: str) -> None:
        """Remove a subject's record: it is about to change.

        Raises
        ------
        BGPVSError
            If it cannot be removed.
        """
        for path in (self.path(label), self._failure_path(label)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                todo = "remove it" if path.is_dir() else "make the folder writable"
                raise BGPVSError(f"Cannot remove {path}: {error.strerror}; {todo}.") from error

    def reasons(
        self, config: RunConfig, subject: SubjectInputs, outputs: Mapping[str, Path]
    ) -> list[str]:
        """Say why a subject has to run; nothing means that it is finished.

        Parameters
        ----------
        config : RunConfig
        subject : SubjectInputs
        outputs : mapping of str to Path
            The files it should have.
        """
        record, why = self._look(subject.label)
        if record is None:
            return [why]
        # A result that was edited since is left alone: it may have been corrected by hand.
        missing = [f"{path.name} is missing" for path in missing_outputs(outputs)]
        return record.changes(describe_subject(config, subject)) + missing


def _atlas_files(config: RunConfig, subject: SubjectInputs) -> tuple[Path, ...]:
    """Return the files of the atlases a subject is registered to."""
    source = config.anatomy.source
    own = source == "derivatives" or (source == "auto" and subject.dseg is not None)
    if own or not config.needs_anatomy:
        return ()
    from bgpvs_wf.anatomy.matching import choose_entries
    from bgpvs_wf.anatomy.registry import known_atlases

    try:
        entries, _ = choose_entries(known_atlases(), subject.age_weeks, config.anatomy.atlases)
    except BGPVSError:
        # The subject's own workflow says so.
        return ()
    return tuple(path for entry in entries for path in entry.files)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
