"""Structure names, as people write them, to harmonised labels; files that hold such names."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from bgpvs_wf.anatomy.labels import MIRROR
from bgpvs_wf.errors import BadLabelsError
from bgpvs_wf.reading import read_text, why_not

FILL = -1
"""No tissue of its own (a vessel, a hypointensity): takes the label of its surroundings."""

_BACKGROUND = re.compile(
    r"unknown$|background|clear label|exterior|outside|skull|scalp|chiasm|optic|^air$|dura"
)
_SURROUNDINGS = re.compile(r"vessel|non wm hypointens|undetermined|lesion")
_WHITE = re.compile(
    r"white matter|\bwm\b|capsule|callos|\bcc\b|fornix|commissur|subplate|"
    r"(inter|intermediate|vent|ventricular|prolif|proliferative) zone|gang(lionic)? em|"
    r"corona radiata|subcortical matter|white"
)
_CORTEX = re.compile(
    r"\bctx\b|cort(ex|ical)|gyr(us|i)\b|lobule?\b|insula|cuneus|operculum|sulcus|\bgm\b|gr[ae]y"
)
# The first that matches decides: pattern, left index (or that of the midline), index without side.
_STRUCTURES: tuple[tuple[re.Pattern[str], int, int | None], ...] = tuple(
    (re.compile(pattern), left, unsided)
    for pattern, left, unsided in (
        (r"corpus ?callosum|^cc\b", 192, 192),
        (r"caudate|\bcaud?\b", 11, None),
        (r"capsule|fornix|commissur|\bcomm\b", 2, 219),
        (r"putamen", 12, None),
        (r"pallid", 13, None),
        (r"accumb", 26, None),
        (r"lentiform|lenticular", 9012, None),
        (r"subthalam|hypothalam|ventral ?dc|diencephal|substantia nigra|red nucleus", 28, None),
        (r"thalam", 10, None),
        (r"hippocamp\w* (and|amyg)", 9017, 9017),
        (r"\bhippocamp", 17, None),
        (r"amygdal", 18, None),
        (r"vermis", 172, 172),
        (r"cerebell.*(white|\bwm\b)", 7, 9008),
        (r"cerebell", 8, 9008),
        (r"brain ?stem|midbrain|\bpons\b|medulla", 16, 16),
        (r"(3rd|third).*ventric|ventric\w* (3|iii)\b", 14, 14),
        (r"(4th|fourth).*ventric|ventric\w* (4|iv)\b", 15, 15),
        (r"(5th|fifth).*ventric|cavum|\bcsp\b|\be?csf\b|cerebrospinal", 24, 24),
        (r"(vent|prolif)\w* zone", 2, 219),
        (r"ventric|lat vent|choroid", 4, 213),
        (r"(deep|subcortical) gr[ae]y", 9010, 9010),
    )
)
_LEFT = re.compile(r"\b(left|lh|l)\b")
_RIGHT = re.compile(r"\b(right|rh|r)\b")


def label_of_name(name: str) -> int | None:
    """Return the harmonised label that a structure's name means.

    Parameters
    ----------
    name : str
        With its side: "Left-Caudate", "caudate_l", "Caudate nucleus right", "ctx-lh-insula".

    Returns
    -------
    int or None
        0 for what is no brain, `FILL` for what has no tissue of its own, None if nobody knows
        the name, or if the structure has two sides here and the name has none.

    Examples
    --------
    >>> [label_of_name(n) for n in ("Left-Caudate", "caudate_r", "Lentiform Nucleus left")]
    [11, 50, 9012]
    >>> label_of_name("ctx-rh-caudalanteriorcingulate"), label_of_name("Caudate")
    (42, None)
    """
    text = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    text = " ".join(re.sub(r"[^0-9a-z]+", " ", text.lower()).split())
    sides = bool(_LEFT.search(text)), bool(_RIGHT.search(text))
    if re.match(r"(ctx|wm) [lr]h ", text):
        return _sided(3 if text.startswith("ctx") else 2, sides, None)
    if _SURROUNDINGS.search(text):
        return FILL
    for pattern, left, unsided in _STRUCTURES:
        if pattern.search(text):
            return _sided(left, sides, unsided)
    if _BACKGROUND.search(text):
        return 0
    if _WHITE.search(text):
        return _sided(2, sides, 219)
    return _sided(3, sides, 220) if _CORTEX.search(text) else None


def _sided(left: int, sides: tuple[bool, bool], unsided: int | None) -> int | None:
    if MIRROR[left] == left:
        return left
    if sides == (True, False):
        return left
    return MIRROR[left] if sides == (False, True) else unsided


def read_names(path: Path) -> dict[int, str]:
    """Read the names of label indices from a table.

    Understood are BIDS ``dseg.tsv`` (columns `index` and `name`, `hemisphere` if it is there;
    also comma-separated), ITK-SNAP label descriptions, FreeSurfer colour tables, and lines that
    start with the index and go on with the name.

    Raises
    ------
    BadLabelsError
        If the file cannot be read or no line has this form.
    """
    try:
        text = read_text(path, errors="replace")
    except OSError as error:
        raise BadLabelsError(
            f"Cannot read label table {path}: {why_not(error, path)}; correct the path."
        ) from error
    names = _with_header(text) or _by_line(text)
    if not names:
        raise BadLabelsError(
            f"{path} is no label table known here; give a BIDS dseg.tsv, an ITK-SNAP label "
            "description, a FreeSurfer colour table, or lines of index and name."
        )
    return names


def _with_header(text: str) -> dict[int, str]:
    lines = text.strip().splitlines()
    if not lines:
        return {}
    delimiter = "\t" if "\t" in lines[0] else ","
    header = [column.strip().lower() for column in lines[0].split(delimiter)]
    if not {"index", "name"} <= set(header):
        return {}
    names = {}
    for row in csv.DictReader(lines[1:], fieldnames=header, delimiter=delimiter):
        side = row.get("hemisphere") or row.get("hemi") or row.get("side") or ""
        index = str(row["index"]).strip()
        if index.isdigit():
            names[int(index)] = f"{row['name']} {'' if side in ('n/a', 'B') else side}".strip()
    return names


_LINES = (
    # ITK-SNAP: index, red, green, blue, alpha, visible, mesh visible, "name"
    re.compile(r'^(\d+)\s+\d+\s+\d+\s+\d+\s+[\d.]+\s+\d+\s+\d+\s+"([^"]*)"$'),
    # FreeSurfer: index, name, red, green, blue, alpha
    re.compile(r"^(\d+)\s+(\S+)(?:\s+\d+){3,4}$"),
    re.compile(r"^(\d+)[\s,;:]+([A-Za-z\"].*)$"),
    # FreeSurfer names such as 3rd-Ventricle
    re.compile(r"^(\d+)[\s,;:]+(\d(?:st|nd|rd|th)\b.*)$"),
)


def _by_line(text: str) -> dict[int, str]:
    names = {}
    for line in text.splitlines():
        for pattern in _LINES:
            match = pattern.match(line.strip())
            if match:
                names[int(match[1])] = match[2].strip().strip('"')
                break
    return names


def harmonised_by_name(names: Mapping[int, str]) -> tuple[dict[int, int], dict[int, str]]:
    """Return index to harmonised label, and the names that could not be understood."""
    found = {index: label_of_name(name) for index, name in names.items()}
    known = {index: label for index, label in found.items() if label is not None}
    return {0: 0, **known}, {i: names[i] for i, label in found.items() if label is None}
