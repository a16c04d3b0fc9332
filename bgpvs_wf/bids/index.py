"""Index BIDS datasets once a run, reading names only: pybids, without the heavy folders."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bgpvs_wf.bids.belonging import LeftOut, is_label, owner_of
from bgpvs_wf.bids.ignored import read_ignored

_WANTED = r"(?:T1w|T2w|mask|brainmask|dseg)\.(?:nii|nii\.gz|tsv)"


@dataclass(frozen=True)
class IndexedFile:
    """A file of a dataset and the BIDS entities of its name (pybids' long names)."""

    path: Path
    entities: Mapping[str, Any]
    root: Path
    """Of the dataset it belongs to."""

    @property
    def is_image(self) -> bool:
        """Whether it is NIfTI by its name."""
        return str(self.entities.get("extension")) in (".nii", ".nii.gz")

    @property
    def space(self) -> str | None:
        """The ``space-`` entity."""
        return self.entities.get("space")

    @property
    def desc(self) -> str | None:
        """The ``desc-`` entity."""
        return self.entities.get("desc")

    @property
    def suffix(self) -> str:
        """``T2w``, ``dseg``, ..."""
        return str(self.entities.get("suffix"))


def index_dataset(
    root: Path, subjects: Collection[str] = ()
) -> tuple[list[IndexedFile], list[LeftOut]]:
    """List anatomical images, masks, dseg and label tables of a dataset.

    What ``.bidsignore`` names is passed over.

    Parameters
    ----------
    root : Path
        Raw or derivative dataset, with or without ``dataset_description.json``.
    subjects : collection of str
        Labels without ``sub-``; none means all. Folders of others are not even listed.

    Returns
    -------
    files : list of IndexedFile
        Sorted by path. No sidecar is read: at hundreds of subjects that costs minutes.
    left_out : list of LeftOut
        Files whose folders and names do not agree on whose they are, and what cannot be read.
    """
    from bids.layout import BIDSLayout, BIDSLayoutIndexer, parse_file_entities

    ignored_here = _ignored(subjects)
    left_out = list(_unreadable(root, ignored_here))
    ignored_here += [_below(one.path.relative_to(root)) for one in left_out]
    indexer = BIDSLayoutIndexer(
        validate=False,
        ignore=ignored_here,
        index_metadata=False,
        # No file has this name. pybids would open its own one in any folder, whatever it is.
        config_filename="\0",
    )
    layout = BIDSLayout(str(root), validate=False, indexer=indexer, config=["bids", "derivatives"])
    known = [entity for config in layout.config.values() for entity in config.entities.values()]
    ignored = read_ignored(root)
    found = []
    for file in layout.get(extension=[".nii", ".nii.gz", ".tsv"], return_type="filename"):
        path = Path(file)
        # Again, without the root: pybids takes a folder /data/sub-study above it for a subject.
        relative = PurePosixPath(path.relative_to(root).as_posix())
        if ignored(str(relative)):
            continue
        owner = owner_of(relative)
        if isinstance(owner, str):
            left_out.append(LeftOut(path, _lies_with(relative), owner))
            continue
        entities = parse_file_entities(f"/{relative}", entities=known)
        labels = {"subject": owner.subject, "session": owner.session}
        entities |= {name: label for name, label in labels.items() if label is not None}
        found.append(IndexedFile(path, entities, root))
    layout.connection_manager.session.close()
    return sorted(found, key=lambda file: file.path), sorted(left_out)


def _unreadable(root: Path, ignored: Collection[re.Pattern[str]]) -> Iterator[LeftOut]:
    """Yield what pybids would stumble over: closed folders, and names that are not UTF-8."""
    for at, folders, files in os.walk(root, followlinks=True):
        closed = set()
        for name in [*folders, *files]:
            path = Path(at, name)
            relative = path.relative_to(root)
            if any(pattern.search(f"/{relative.as_posix()}") for pattern in ignored):
                closed.add(name)
                continue
            why = ""
            if not _is_utf8(name):
                why = "its name is not UTF-8; rename it"
            elif name in folders and not os.access(path, os.R_OK | os.X_OK):
                why = "you may not read it; change its permissions"
            if why:
                closed.add(name)
                label = relative.parts[0].removeprefix("sub-")
                yield LeftOut(path, label if is_label(label) else None, why)
        folders[:] = [name for name in folders if name not in closed]


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _below(relative: Path) -> re.Pattern[str]:
    return re.compile(rf"^/{re.escape(relative.as_posix())}(?:/|$)")


def _lies_with(path: PurePosixPath) -> str | None:
    """Return in whose folder a file lies."""
    top = path.parts[0]
    label = top.removeprefix("sub-")
    return label if top.startswith("sub-") and len(path.parts) > 1 and is_label(label) else None


def _ignored(subjects: Collection[str]) -> list[re.Pattern[str]]:
    """Return patterns on the path from the root, for folders and files alike."""
    patterns = [
        re.compile(r"/\."),
        # At the top, only subjects and label tables (``desc-aseg_dseg.tsv`` holds for all).
        re.compile(r"^/(?!sub-|[^/]*dseg\.tsv$)"),
        # In a subject, only anatomy: func and dwi hold most files, surfaces come as GIFTI.
        re.compile(
            r"/(?:func|dwi|fmap|perf|eeg|meg|ieeg|pet|beh|nirs|motion|mrs|xfm|figures)(?:/|$)"
        ),
        re.compile(rf"/(?!(?:[^/]*_)?{_WANTED}$)[^/]*\.[^/]*$"),
    ]
    if subjects:
        known = "|".join(map(re.escape, sorted(subjects)))
        patterns.append(re.compile(rf"^/sub-(?!(?:{known})(?:[^0-9A-Za-z+]|$))"))
    return patterns
