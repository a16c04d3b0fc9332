"""Is it up to date? What something was made from, held against what it would be made from now.

A subject's results, a cohort that was made and the scores of a study each have a small JSON file
that says what they were made from. All of them are written, read and compared here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf._version import __version__
from bgpvs_wf.imaging.files import write_json
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.reading import load_json, why_not


@dataclass(frozen=True)
class Record:
    """What something was made from, and what came of it. All as JSON gives it back."""

    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Dotted name to value, of the settings results depend on."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What is known beside files: age, which image is preprocessed, the model, ..."""
    inputs: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Path to size (bytes) and modification time (ns); -1 where there is no file."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Of a subject, path relative to the output folder, to size (bytes); of a study, what it
    found."""

    def changes(self, now: Record) -> list[str]:
        """Say what changed since, a short line each; nothing means that it is up to date."""
        reasons = []
        if self.version != now.version:
            reasons.append(f"made by version {self.version}, this is {now.version}")
        for then, today in ((self.settings, now.settings), (self.facts, now.facts)):
            for name in sorted({*then, *today}):
                before, after = then.get(name), today.get(name)
                if before != after:
                    reasons.append(f"{name} was {_shown(before)}, is {_shown(after)}")
        for path in sorted({*self.inputs, *now.inputs}):
            if self.inputs.get(path) != now.inputs.get(path):
                reasons.append(_input_change(path, path in self.inputs, path in now.inputs))
        return reasons


_SHAPE = {"version": str, "settings": dict, "facts": dict, "inputs": {str: [int, int]}}


def describe(
    settings: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
    inputs: Iterable[Path] = (),
    without: Collection[str] = (),
) -> Record:
    """Describe what something would be made from now.

    Parameters
    ----------
    settings : mapping
        May hold mappings: their names are joined by dots.
    facts : mapping, optional
    inputs : iterable of Path
        Those that are not there, as broken links, are described as well.
    without : collection of str
        Settings, or groups of them, that nothing depends on; by dotted name.
    """
    depended_on = dict(_flatten(_plain(settings), frozenset(without)))
    states = {str(path): _state(path) for path in inputs}
    return Record(__version__, depended_on, _plain(facts or {}), states)


def read_record(path: Path, outputs: Any) -> tuple[Record | None, str]:
    """Read what something was made from.

    Parameters
    ----------
    path : Path
        Written by `write_record`.
    outputs : object
        Shape of what came of it; see `bgpvs_wf.json_shapes.check_shape`.

    Returns
    -------
    record : Record or None
    why : str
        Why there is none that can be read.
    """
    try:
        content = load_json(path)
        check_shape(content, {**_SHAPE, "outputs": outputs})
    except FileNotFoundError:
        return None, "not finished before"
    except (OSError, ValueError) as error:
        return None, f"its record {path} is damaged ({why_not(error, path)})"
    states = {name: (size, time) for name, (size, time) in content["inputs"].items()}
    parts = {name: content[name] for name in ("settings", "facts", "outputs", "version")}
    return Record(inputs=states, **parts), ""


def changes_since(path: Path, now: Record, outputs: Any) -> tuple[list[str], Mapping[str, Any]]:
    """Say why something has to be made again, and what came of it the last time.

    Parameters
    ----------
    path, outputs
        As in `read_record`.
    now : Record
        What it would be made from.

    Returns
    -------
    reasons : list of str
        Nothing means that it is up to date.
    found : mapping
        Empty where it has to be made again.
    """
    record, why = read_record(path, outputs)
    reasons = [why] if record is None else record.changes(now)
    return reasons, {} if record is None or reasons else record.outputs


def write_record(record: Record, path: Path, outputs: Mapping[str, Any] | None = None) -> None:
    """Write a record, whole or not at all.

    Parameters
    ----------
    record : Record
    path : Path
    outputs : mapping, optional
        What came of it, in place of what the record says.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    content = dataclasses.asdict(record)
    write_json(content if outputs is None else content | {"outputs": dict(outputs)}, path)


def _input_change(path: str, was: bool, is_: bool) -> str:
    how = "changed" if was and is_ else "is used now" if is_ else "is used no longer"
    return f"{Path(path).name} {how}"


def _shown(value: Any) -> str:
    return "unset" if value is None else json.dumps(value)


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON would give back: tuples as lists, paths as texts."""
    found: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return found


def _flatten(
    settings: Mapping[str, Any], without: frozenset[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if f"{prefix}{name}" in without:
            continue
        if isinstance(value, dict):
            yield from _flatten(value, without, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
