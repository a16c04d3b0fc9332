"""Atlases on disk: their folder format, and where they are looked for.

An atlas is a folder with an ``atlas.json``::

    {"name": "...", "description": "...", "license": "...", "citation": "...",
     "entries": [{"age_weeks": 40.0, "min_age_weeks": 37.0, "max_age_weeks": 44.0,
                  "T1w": "relative path or null", "T2w": "relative path or null",
                  "dseg": "relative path", "probsegs": {"11": "relative path"}}]}

Ages are post-menstrual weeks; the dseg holds harmonised labels (`bgpvs_wf.anatomy.labels`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from bgpvs_wf.errors import AtlasError
from bgpvs_wf.json_shapes import check_shape
from bgpvs_wf.reading import load_json, why_not

ATLAS_FILE = "atlas.json"
ATLAS_FOLDER_VARIABLE = "BGPVS_WF_ATLASES"
MODALITIES = ("T1w", "T2w")
_ENTRY = {"age_weeks": float, "min_age_weeks": float, "max_age_weeks": float, "dseg": str}
"""What an entry has at least."""


@dataclass(frozen=True)
class AtlasEntry:
    """One age of an atlas. Paths are absolute; images, labels and maps share a grid."""

    atlas: str
    age_weeks: float
    min_age_weeks: float
    max_age_weeks: float
    dseg: Path
    """Harmonised labels, int16."""
    t1w: Path | None = None
    t2w: Path | None = None
    probsegs: Mapping[int, Path] = field(default_factory=dict, hash=False)
    """Probability maps (0 to 1) by harmonised index; none where there are only labels."""

    def image(self, modality: str) -> Path | None:
        """Return the image of a modality, `T1w` or `T2w`, or None."""
        return {"T1w": self.t1w, "T2w": self.t2w}[modality]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities there is an image of; none for labels alone."""
        return tuple(modality for modality in MODALITIES if self.image(modality))

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the entry, the dseg first: what a cached result depends on."""
        images = (path for path in (self.t1w, self.t2w) if path)
        return (self.dseg, *images, *(self.probsegs[i] for i in sorted(self.probsegs)))

    def covers(self, age_weeks: float) -> bool:
        """Tell whether an age, post-menstrual weeks, lies in the entry's window."""
        return self.min_age_weeks <= age_weeks <= self.max_age_weeks


@dataclass(frozen=True)
class Atlas:
    """An atlas: one or more ages of the same making."""

    name: str
    folder: Path
    entries: tuple[AtlasEntry, ...]
    description: str = ""
    license: str = ""
    citation: str = ""
    embedded: bool = False
    """Whether it came with the package."""

    def closest(self, age_weeks: float) -> AtlasEntry:
        """Return the entry of the nearest age (the younger of two as near)."""
        return min(
            self.entries, key=lambda entry: (abs(entry.age_weeks - age_weeks), entry.age_weeks)
        )


def load_atlas(folder: str | os.PathLike[str], *, embedded: bool = False) -> Atlas:
    """Read an atlas folder.

    Raises
    ------
    AtlasError
        If it has no ``atlas.json``, or that is unreadable, incomplete, or names missing files.
    """
    folder = Path(folder).expanduser().absolute()
    path = folder / ATLAS_FILE
    try:
        content = load_json(path)
    except FileNotFoundError as error:
        raise AtlasError(
            f"{folder} is no atlas folder: it has no {ATLAS_FILE}; "
            "import atlases with 'bgpvs-wf atlas add'."
        ) from error
    except (OSError, ValueError) as error:
        raise AtlasError(
            f"{path} cannot be read: {why_not(error, path)}; import the atlas again."
        ) from error
    try:
        _check(content)
        name = str(content["name"])
        entries = tuple(_entry(name, item, folder) for item in content["entries"])
        texts = {key: str(content.get(key) or "") for key in ("description", "license", "citation")}
    except ValueError as error:
        raise AtlasError(f"{path} is incomplete or damaged ({error}); import it again.") from error
    if not entries:
        raise AtlasError(f"{path} has no entries; import the atlas again.")
    missing = [file for entry in entries for file in entry.files if not file.is_file()]
    if missing:
        raise AtlasError(f"Atlas '{name}' lacks {missing[0]}; import it again.")
    ordered = tuple(sorted(entries, key=lambda entry: entry.age_weeks))
    return Atlas(name, folder, ordered, **texts, embedded=embedded)


def _check(content: Any) -> None:
    check_shape(content, {"name": str, "entries": [dict, ...]})
    for number, entry in enumerate(content["entries"]):
        check_shape(entry, _ENTRY, f"entries.{number}")
        for key in ("T1w", "T2w"):
            check_shape(entry.get(key), (str, None), f"entries.{number}.{key}")
        check_shape(entry.get("probsegs") or {}, {str: str}, f"entries.{number}.probsegs")


def _entry(name: str, item: Mapping[str, Any], folder: Path) -> AtlasEntry:
    def path(value: str | None) -> Path | None:
        return folder / value if value else None

    return AtlasEntry(
        atlas=name,
        age_weeks=float(item["age_weeks"]),
        min_age_weeks=float(item["min_age_weeks"]),
        max_age_weeks=float(item["max_age_weeks"]),
        dseg=folder / item["dseg"],
        t1w=path(item.get("T1w")),
        t2w=path(item.get("T2w")),
        probsegs={int(i): folder / file for i, file in (item.get("probsegs") or {}).items()},
    )


def user_atlas_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the user's atlases; it need not exist.

    ``BGPVS_WF_ATLASES``, or ``bgpvs-wf/atlases`` in the XDG data home.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get(ATLAS_FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    data_home = environ.get("XDG_DATA_HOME")
    root = Path(data_home) if data_home else Path.home() / ".local" / "share"
    return (root / "bgpvs-wf" / "atlases").absolute()


def embedded_atlas_folder() -> Path:
    """Return the folder of the atlases that come with the package."""
    return Path(str(resources.files("bgpvs_wf.data"))).resolve() / "atlases"


def known_atlases(
    user_folder: str | os.PathLike[str] | None = None,
    embedded_folder: str | os.PathLike[str] | None = None,
) -> tuple[Atlas, ...]:
    """Return the user's atlases, then the embedded ones, each sorted by name.

    Parameters
    ----------
    user_folder, embedded_folder : path-like, optional
        Default: `user_atlas_folder` and `embedded_atlas_folder`.

    Raises
    ------
    AtlasError
        If one of them is damaged.
    """
    user = Path(user_folder) if user_folder is not None else user_atlas_folder()
    embedded = Path(embedded_folder) if embedded_folder is not None else embedded_atlas_folder()
    own = _atlases_in(user, embedded=False)
    taken = {atlas.name for atlas in own}
    shipped = _atlases_in(embedded, embedded=True)
    return (*own, *(atlas for atlas in shipped if atlas.name not in taken))


def _atlases_in(folder: Path, *, embedded: bool) -> Sequence[Atlas]:
    # An import under way or cut off lies in a hidden folder.
    folders = sorted(folder.glob("[!.]*"))
    found = [path for path in folders if os.path.lexists(path / ATLAS_FILE)]
    return sorted((load_atlas(path, embedded=embedded) for path in found), key=lambda a: a.name)
