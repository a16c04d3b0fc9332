"""Index BIDS datasets once a run, reading names only: pybids, without the heavy folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def index_dataset(root: Path, subjects: Collection[str] = ()) -> list[IndexedFile]:
    """List anatomical images, masks, dseg and label tables of a dataset.

    Parameters
    ----------
    root : Path
        Raw or derivative dataset, with or without ``dataset_description.json``.
    subjects : collection of str
        Labels without ``sub-``; none means all. Folders of others are not even listed.

    Returns
    -------
    list of IndexedFile
        Sorted by path. No sidecar is read: at hundreds of subjects that costs minutes.
    """
    from bids.layout import BIDSLayout, BIDSLayoutIndexer, parse_file_entities

    indexer = BIDSLayoutIndexer(validate=False, ignore=_ignored(subjects), index_metadata=False)
    layout = BIDSLayout(str(root), validate=False, indexer=indexer, config=["bids", "derivatives"])
    known = [entity for config in layout.config.values() for entity in config.entities.values()]
    found = []
    for file in layout.get(extension=[".nii", ".nii.gz", ".tsv"], return_type="filename"):
        path = Path(file)
        # Again, without the root: pybids takes a folder /data/sub-study above it for a subject.
        name = f"/{path.relative_to(root).as_posix()}"
        found.append(IndexedFile(path, parse_file_entities(name, entities=known), root))
    layout.connection_manager.session.close()
    return sorted(found, key=lambda file: file.path)


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
        patterns.append(re.compile(rf"^/sub-(?!(?:{known})(?:[_/]|$))"))
    return patterns
