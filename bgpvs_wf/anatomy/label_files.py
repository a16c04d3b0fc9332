"""Names and colours of label maps as files that viewers read: ITK-SNAP, 3D Slicer, Freeview.

Formats: ITK-SNAP's label description, as it exports it; Slicer's colour table (Slicer's developer
guide, modules/colors); FreeSurfer's colour lookup table (FreeSurfer's wiki,
LabelsClutsAnnotationFiles), whose last column is transparency, 0 throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bgpvs_wf.anatomy.colours import rgb
from bgpvs_wf.anatomy.labels import BGPVS_LABELS, NUCLEI, REGIONS

Labels = Mapping[int, tuple[str, str]]
"""Index to name and colour, background left out."""
BGPVS: Labels = {n: (name, colour) for n, (name, _, colour) in BGPVS_LABELS.items() if n}
"""Of ``desc-bgpvs_dseg`` and ``desc-pseudo_dseg``."""
LABEL_MAPS: dict[str, Labels] = {
    "nuclei": {index: (name, REGIONS[index].colour) for index, name in NUCLEI.items()},
    "bgpvs": BGPVS,
}
"""The label maps that have names, by their `desc`."""


def itksnap_text(labels: Labels) -> str:
    """Return labels as ITK-SNAP's label description."""
    rows = ["# ITK-SnAP Label Description File", "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL"]
    rows.append('    0     0    0    0        0  0  0    "Clear Label"')
    for index, (name, colour) in labels.items():
        red, green, blue = rgb(colour)
        rows.append(f'{index:5} {red:5} {green:4} {blue:4}        1  1  1    "{name}"')
    return _lines(rows)


def slicer_text(labels: Labels, file: str) -> str:
    """Return labels as Slicer's colour table; its first line says the name of the file."""
    rows = [f"# Color table file {file}", f"# {len(labels) + 1} values", "0 Background 0 0 0 0"]
    for index, (name, colour) in labels.items():
        rows.append(f"{index} {_word(name)} {_numbers(colour)} 255")
    return _lines(rows)


def freesurfer_text(labels: Labels) -> str:
    """Return labels as FreeSurfer's colour lookup table."""
    rows = [
        f"{index} {_word(name)} {_numbers(colour)} 0" for index, (name, colour) in labels.items()
    ]
    return _lines(["#No. Label R G B A", "0 Unknown 0 0 0 0", *rows])


def write_label_files(folder: Path) -> None:
    """Write the files of all `LABEL_MAPS` into a folder; those that say the same already stay.

    Raises
    ------
    BGPVSError
        If one cannot be written.
    """
    from bgpvs_wf.imaging.files import write_text

    texts: dict[str, str] = {}
    for name, labels in LABEL_MAPS.items():
        table = f"{name}_slicer.ctbl"
        texts[f"{name}_itksnap.txt"] = itksnap_text(labels)
        texts[table] = slicer_text(labels, table)
        texts[f"{name}_freeview.txt"] = freesurfer_text(labels)
    for file, text in texts.items():
        path = folder / file
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(text, path)


def _word(name: str) -> str:
    return name.replace(" ", "_")


def _numbers(colour: str) -> str:
    return " ".join(map(str, rgb(colour)))


def _lines(rows: Iterable[str]) -> str:
    return "\n".join(rows) + "\n"
