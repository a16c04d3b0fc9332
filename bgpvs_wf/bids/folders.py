"""Folders of a run: raw data is never written to, and what cannot be written is said at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bgpvs_wf.config import RunConfig
from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import load_json, why_not

PIPELINE = "bgpvs-wf"
"""Our name in ``GeneratedBy``."""


def check_folders(config: RunConfig) -> None:
    """Refuse folders that are missing, would touch raw data, or cannot be written to.

    Nothing is created.

    Raises
    ------
    UsageError
        If `bids_dir` is no BIDS dataset, a derivative folder does not exist, the output or work
        folder is inside the raw dataset (but for ``derivatives/``) or unwritable, or the output
        folder holds someone else's dataset.
    """
    check_dataset(config.bids_dir)
    for name, folder in config.derivatives.items():
        if not os.path.isdir(folder):
            raise UsageError(f"The derivatives '{name}' are not at {folder}; correct the path.")
        _check_readable(f"derivatives '{name}'", folder)
        description = folder / "dataset_description.json"
        if os.path.lexists(description):
            _check_description(description)
        if folder.resolve() == config.output_dir.resolve():
            raise UsageError(
                f"The output folder {config.output_dir} is the input derivatives '{name}'; "
                "choose another."
            )
    for what, folder in (("output", config.output_dir), ("work", config.work_dir)):
        check_outside_raw(what, folder, config.bids_dir)
        _check_writable(what, folder)
    _check_ours(config.output_dir)


def check_dataset(bids_dir: Path) -> None:
    """Make sure that a folder is a BIDS dataset.

    Raises
    ------
    UsageError
        If it does not exist or has no readable ``dataset_description.json``.
    """
    if not os.path.isdir(bids_dir):
        raise UsageError(f"There is no folder {bids_dir}; give the root of a BIDS dataset.")
    _check_readable("dataset", bids_dir)
    description = bids_dir / "dataset_description.json"
    if not os.path.lexists(description):
        subjects = any(bids_dir.glob("sub-*"))
        hint = "add one" if subjects else "give the root of a BIDS dataset"
        raise UsageError(f"{bids_dir} is no BIDS dataset: no dataset_description.json; {hint}.")
    _check_description(description)


def _check_readable(what: str, folder: Path) -> None:
    if not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"The {what} {folder} cannot be read: no permission; ask for it.")


def _check_description(path: Path) -> None:
    try:
        content = load_json(path)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {why_not(error, path)}; repair it.") from error
    except ValueError as error:
        why = why_not(error, path)
        raise UsageError(f"{path} is not valid JSON ({why}); repair it.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not valid JSON of a description; repair it.")


def check_outside_raw(what: str, folder: Path, bids_dir: Path) -> None:
    """Refuse a folder inside a raw dataset, but for ``derivatives/``.

    Parameters
    ----------
    what : str
        What the folder is to the user ("output").
    folder, bids_dir : Path

    Raises
    ------
    UsageError
        If it is inside; names both.
    """
    real, raw = folder.resolve(), bids_dir.resolve()
    if real.is_relative_to(raw) and not real.is_relative_to(raw / "derivatives"):
        raise UsageError(
            f"The {what} folder {folder} is inside the raw dataset; put it elsewhere, "
            f"or below {bids_dir / 'derivatives'}."
        )


def _check_writable(what: str, folder: Path) -> None:
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not os.path.isdir(existing):
        raise UsageError(
            f"The {what} folder {folder} cannot be made: {existing} is no folder; choose another."
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(
            f"The {what} folder {folder} cannot be written to (no permission at {existing}); "
            "choose another."
        )


def _check_ours(output_dir: Path) -> None:
    description = output_dir / "dataset_description.json"
    if not os.path.exists(description):
        return
    content = _read(description)
    generators = content.get("GeneratedBy", []) if isinstance(content, dict) else []
    if not isinstance(generators, list) or not any(
        isinstance(entry, dict) and entry.get("Name") == PIPELINE for entry in generators
    ):
        raise UsageError(
            f"The output folder {output_dir} holds another dataset; choose a new or empty folder."
        )


def _read(path: Path) -> Any:
    try:
        return load_json(path)
    except (OSError, ValueError):
        return None


def dataset_of(output_dir: Path) -> Path | None:
    """Return the folder of the dataset that results say they are of; None if it is not there.

    As `bgpvs_wf.bids.derivatives.dataset_links` names it in ``dataset_description.json``.
    """
    from bgpvs_wf.imaging.files import read_json

    links = read_json(output_dir / "dataset_description.json").get("DatasetLinks")
    link = links.get("bids_dir", links.get("raw")) if isinstance(links, dict) else None
    try:
        uri = urlsplit(link if isinstance(link, str) else "")
        folder = Path(unquote(uri.path))
        return folder if uri.scheme == "file" and folder.is_dir() else None
    except ValueError:  # what is no address, or no path
        return None


def dataset_name(folder: Path) -> str:
    """Return what a dataset calls itself, or its folder is called."""
    from bgpvs_wf.imaging.files import read_json

    name = read_json(folder / "dataset_description.json").get("Name")
    return name.strip() if isinstance(name, str) and name.strip() else folder.absolute().name
