"""Whose a file is: what its folders and its name say, which must be legal and agree.

A file that is taken for another infant's gives numbers that are wrong and look right. So a name is
read to its last character: pybids stops at the first that is illegal, and takes ``sub-01-B`` for
``sub-01``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bgpvs_wf.bids.inputs import LABEL, is_label

SUFFIXES = ("T1w", "T2w", "mask", "brainmask", "dseg")
"""Of the files that are taken."""
IMAGES = (".nii", ".nii.gz")
"""Extensions that are read."""
TABLE = ".tsv"
"""Of label tables, which may hold for all subjects or sessions."""
_FORMATS = {
    "nii", "img", "hdr", "mgz", "mgh", "nrrd", "nhdr", "mha", "mhd", "mif", "mnc", "dcm", "ima",
    "par", "rec", "head", "brik", "gipl",
}  # fmt: skip
"""What images of others end in."""
_SUFFIX_LIKE = re.compile(rf"(?:{'|'.join(SUFFIXES)})(?![a-z0-9])", re.IGNORECASE | re.ASCII)
_SUBJECT_LIKE = re.compile(r"sub[^a-z]", re.IGNORECASE | re.ASCII)
_SESSION_LIKE = re.compile(r"ses[^a-z]", re.IGNORECASE | re.ASCII)
_ENTITY = re.compile(rf"([0-9A-Za-z]+)-({LABEL})")
_NUMBER = re.compile(r"[0-9]+")
_VALUES = {
    **dict.fromkeys(("run", "echo", "flip", "inv", "chunk"), _NUMBER),
    "part": re.compile("mag|phase|real|imag"),
    "mt": re.compile("on|off"),
}
"""Entities that pybids drops where they have another value, as if they were not there."""
_LEGAL = "letters, digits and + only"
_NAMED = 4
"""Names in a line of what is left out."""


@dataclass(frozen=True)
class Verdict:
    """Whose a file is, or why it is left out."""

    subject: str | None
    """As its folder says, or else its name; None where it holds for all."""
    session: str | None
    """Likewise."""
    reason: str = ""
    """Why it is left out and what to do; empty where it counts."""
    where: str = ""
    """What the reason is about: the file, or a folder around it."""


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not taken."""

    where: str
    """Its path from the root of its dataset, fit to be shown."""
    reason: str
    subject: str | None = None
    """In whose folder it lies, legal or not; None where that is nobody's."""
    session: str | None = None
    """Likewise."""
    whole: bool = False
    """It is all that a subject or session has, not one of its files."""


def told(left_out: Iterable[LeftOut]) -> list[str]:
    """Return a line for each reason, with all that is left out for it.

    Examples
    --------
    >>> told([LeftOut("a.img", "is not read"), LeftOut("a.hdr", "is not read")])
    ['a.img, a.hdr: is not read']
    """
    names: dict[str, list[str]] = {}
    for one in dict.fromkeys(left_out):
        names.setdefault(one.reason, []).append(one.where)
    return [f"{_first(where)}: {reason}" for reason, where in names.items()]


def shown(name: str) -> str:
    r"""Return a name in one line that any terminal can show.

    Examples
    --------
    >>> shown("sub-01\nB")
    'sub-01\\nB'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name
    )


def _first(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def label_fault(prefix: str, name: str) -> str:
    """Return why a folder or a part of a name is not ``prefix-label``; empty if it is.

    Examples
    --------
    >>> label_fault("sub", "sub-01 copy")
    "'sub-01 copy' is no BIDS label (letters, digits and + only)"
    >>> label_fault("sub", "sub-01")
    ''
    """
    start = f"{prefix}-"
    if name.startswith(start):
        legal = is_label(name.removeprefix(start))
        return "" if legal else f"'{shown(name)}' is no BIDS label ({_LEGAL})"
    return f"'{shown(name)}' does not begin with '{start}'"


def names_subject(folder: str) -> bool:
    """Return whether a folder is meant to be a subject's, well named or not."""
    return _SUBJECT_LIKE.match(folder) is not None


def names_session(folder: str) -> bool:
    """Return whether a folder is meant to be a session's, well named or not."""
    return _SESSION_LIKE.match(folder) is not None


def split_extension(name: str) -> tuple[str, str]:
    """Split a name before the extension of an image or table; the latter is empty if there is none.

    Examples
    --------
    >>> split_extension("sub-01.5_T2w.nii.gz")
    ('sub-01.5_T2w', '.nii.gz')
    """
    pieces = name.split(".")
    known = _FORMATS | {TABLE[1:]}
    for place in range(1, len(pieces)):
        if pieces[place].rstrip("~").lower() in known:
            return ".".join(pieces[:place]), "." + ".".join(pieces[place:])
    return name, ""


def is_image_like(name: str) -> bool:
    """Return whether a file is some kind of image by its name, readable or not."""
    extension = split_extension(name)[1]
    return bool(extension) and not extension.lower().startswith(TABLE)


def is_candidate(name: str) -> bool:
    """Return whether a file is meant to be one that is taken, well named or not.

    Examples
    --------
    >>> [is_candidate(f"sub-01_{end}") for end in ("t2w.nii", "T2w (1).nii.gz", "bold.nii.gz")]
    [True, True, False]
    """
    stem, extension = split_extension(name)
    suffix = stem.rpartition("_")[2]
    if extension == TABLE:
        return suffix == "dseg"
    return is_image_like(name) and _SUFFIX_LIKE.match(suffix) is not None


def judge(path: str) -> Verdict:
    """Say whose a file is, from its path alone.

    It counts if each folder ``sub-`` and ``ses-`` around it and each entity of its name has a
    legal label, and those of folders and name agree. An image has to name all that its folders
    say, and to lie in ``anat``, in its subject's or session's folder, or beside these.

    Parameters
    ----------
    path : str
        From the root of the dataset, with ``/`` between folders.

    Examples
    --------
    >>> judge("sub-01/anat/sub-01_T2w.nii.gz")
    Verdict(subject='01', session=None, reason='', where='')
    >>> judge("sub-02/anat/sub-03_T2w.nii.gz").reason
    'its name says sub-03, its folder sub-02; rename or move it'
    """
    *folders, name = path.split("/")
    said: dict[str, str] = {}
    for depth, folder in enumerate(folders):
        reason = _folder_fault(folder, said)
        if reason:
            where = "/".join(folders[: depth + 1])
            return Verdict(said.get("sub"), said.get("ses"), f"{reason}; rename the folder", where)
    entities, reason = _read_name(name)
    reason = reason or _disagreement(said, entities, table=name.endswith(TABLE))
    whose = {**entities, **said}
    return Verdict(whose.get("sub"), whose.get("ses"), reason, path if reason else "")


def _folder_fault(folder: str, said: dict[str, str]) -> str:
    """Take down what a folder says in `said`; return what is wrong with it."""
    for prefix, named in (("sub", names_subject), ("ses", names_session)):
        if not named(folder):
            continue
        label = folder.removeprefix(f"{prefix}-")
        if prefix in said and said[prefix] != label:
            return f"'{shown(folder)}' lies in {prefix}-{said[prefix]}"
        said[prefix] = label
        return label_fault(prefix, folder)
    return "" if folder == "anat" else f"'{shown(folder)}' is not 'anat'"


def _read_name(name: str) -> tuple[dict[str, str], str]:
    """Return the entities of a name, as far as it is legal, and what is wrong with it."""
    stem, extension = split_extension(name)
    *pieces, suffix = stem.split("_")
    entities: dict[str, str] = {}
    for piece in pieces:
        match = _ENTITY.fullmatch(piece)
        if match is None:
            return entities, _entity_fault(piece)
        key, label = match.groups()
        if key in entities:
            return entities, f"its name says {key}- twice; rename it"
        if key in _VALUES and not _VALUES[key].fullmatch(label):
            return entities, f"'{piece}' in its name has no value that {key}- can have; rename it"
        entities[key] = label
    return entities, _suffix_fault(suffix) or _extension_fault(extension)


def _entity_fault(piece: str) -> str:
    if "-" in piece:
        return f"'{shown(piece)}' in its name is no BIDS label ({_LEGAL}); rename it"
    return f"'{shown(piece)}' in its name is no BIDS entity, such as acq-{_suggested(piece)}"


def _suggested(piece: str) -> str:
    return re.sub(r"[^0-9A-Za-z+]", "", piece) or "x"


def _suffix_fault(suffix: str) -> str:
    if suffix in SUFFIXES:
        return ""
    right = next((one for one in SUFFIXES if one.lower() == suffix.lower()), "")
    if right:
        return f"its suffix is '{suffix}', not '{right}'; rename it"
    return f"'{shown(suffix)}' at the end of its name is not {', '.join(SUFFIXES[:-1])} or dseg"


def _extension_fault(extension: str) -> str:
    if extension in (*IMAGES, TABLE):
        return ""
    if extension.lower() in IMAGES:
        return f"its extension is '{extension}'; write it in small letters"
    return f"'{shown(extension)}' is not read; convert it to .nii.gz"


def _disagreement(folders: dict[str, str], name: dict[str, str], *, table: bool) -> str:
    for key in ("sub", "ses"):
        in_folder, in_name = folders.get(key), name.get(key)
        if in_name is None:
            if table or (key == "ses" and in_folder is None):
                continue
            least = f"{key}-{in_folder}" if in_folder else "sub-<label>"
            return f"its name does not say {least}; rename it"
        if in_folder not in (None, in_name):
            return f"its name says {key}-{in_name}, its folder {key}-{in_folder}; rename or move it"
    return ""
