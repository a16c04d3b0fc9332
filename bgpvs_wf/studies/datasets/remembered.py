"""What was made from what, in a small JSON file, so that it is made again only if that changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.reading import load_json

if TYPE_CHECKING:
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.phantom.hybrid_dataset import Nuclei


def recall(
    path: Path, made_from: Mapping[str, Any], shapes: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return what was found the last time, if it was made from the same.

    Parameters
    ----------
    path : Path
        Written by `remember`.
    made_from : mapping
        What it would be made from now.
    shapes : mapping, optional
        Name of what was found to its shape; see `bgpvs_wf.json_shapes.check_shape`.

    Returns
    -------
    dict or None
        By name; None if it is to be made again: it is made from something else, or the file is
        damaged.
    """
    try:
        before = load_json(path)
        check_shape(before, dict(shapes or {}))
    except (OSError, ValueError):
        return None
    found = {name: before.pop(name) for name in shapes or {}}
    return found if before == _as_written(made_from) else None


def remember(
    path: Path, made_from: Mapping[str, Any], found: Mapping[str, Any] | None = None
) -> None:
    """Write down what something was made from, and what was found.

    Raises
    ------
    BGPVSError
        If the file cannot be written.
    """
    from bgpvs_wf.imaging.files import write_json

    write_json(_as_written(made_from) | dict(found or {}), path)


def file_states(paths: Iterable[Path]) -> dict[str, list[int]]:
    """Return size and time of files, by path; -1 of those that are not there, as broken links."""
    return {str(path): list(_state(path)) for path in paths}


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def hybrid_sources(
    bids_dir: Path, scans: Iterable[SubjectInputs], nuclei: Mapping[str, Nuclei]
) -> dict[str, list[int]]:
    """Return size and time of all files that hybrids are made of.

    Parameters
    ----------
    bids_dir : Path
    scans : iterable of SubjectInputs
    nuclei : mapping
        By `SubjectInputs.label`; see `bgpvs_wf.phantom.hybrid_dataset.find_nuclei`.

    Returns
    -------
    dict
        Of images with their sidecars, nuclei, and tables of participants and sessions.
    """
    wanted = {bids_dir / "participants.tsv", bids_dir / "participants.json"}
    wanted.add(bids_dir / "sessions.json")
    for scan in scans:
        for image in filter(None, (scan.t2w, scan.t1w)):
            wanted |= {image, image.with_name(image.name.split(".", 1)[0] + ".json")}
        wanted.update(filter(None, nuclei.get(scan.label, ())))
        subject = f"sub-{scan.subject}"
        for kind in ("tsv", "json"):
            wanted.add(bids_dir / subject / f"{subject}_sessions.{kind}")
    return file_states(path for path in sorted(wanted) if path.is_file())


def evaluated_files(folders: Iterable[Path]) -> dict[str, list[int]]:
    """Return size and time of all files in some folders that an evaluation reads."""
    from bgpvs_wf.evaluation.case_files import find_cases

    return file_states(
        path
        for folder in folders
        if folder.is_dir()
        for files in find_cases(folder).values()
        for kind in files.values()
        for path in kind
    )


def _as_written(content: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return found
