"""Label tables of published segmentations, and their way to the harmonised labels.

Left out for want of a published source: the regional parcellation of the CRL fetal atlas
(``*_regional``); give its label key as a table file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bgpvs_wf.anatomy.label_names import FILL, harmonised_by_name, read_names
from bgpvs_wf.anatomy.labels import BG_LABELS, REGIONS
from bgpvs_wf.errors import BadLabelsError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelTable:
    """How one source numbers its labels."""

    name: str
    mapping: dict[int, int] = field(repr=False)
    """Index of the source to harmonised index; 0 is background, `FILL` goes to its neighbours."""
    signature: tuple[frozenset[int], ...] = ()
    """The source is recognised if all labels of one of these sets are there."""

    @property
    def has_nuclei(self) -> bool:
        """Whether the source tells single nuclei of the basal ganglia apart."""
        return not set(BG_LABELS).isdisjoint(self.mapping.values())


def _sets(*groups: Iterable[int]) -> tuple[frozenset[int], ...]:
    return tuple(frozenset(group) for group in groups)


def _freesurfer() -> LabelTable:
    """Return FreeSurfer's table: aseg, aparc+aseg, wmparc, and the harmonised labels themselves.

    Numbers of FreeSurferColorLUT.txt (FreeSurfer 6 and later). "Vessel" and "undetermined" have
    no tissue of their own, nor have hypointensities outside the white matter.
    """
    mapping = {index: index for index in REGIONS} | {0: 0}
    for group, target in (
        ((5, 31), 4), ((44, 63), 43), ((9,), 10), ((48,), 49), ((72, 122, 257), 24),
        ((19, 20), 3), ((55, 56), 42), ((27,), 28), ((59,), 60), ((96,), 18), ((97,), 54),
        ((73, 78, 155, 157, 159, 161), 2), ((74, 79, 156, 158, 160, 162), 41),
        ((77, 219, 250), 219), ((163, 164), 9010), ((170, 173, 174, 175), 16), ((177,), 172),
        ((251, 252, 253, 254, 255), 192), ((221,), 213),
        ((29, 30, 61, 62, 80, 81, 82), FILL),
        ((85, 165, 258, 259), 0),
        (range(1000, 1036), 3), (range(2000, 2036), 42), (range(11100, 11176), 3),
        (range(12100, 12176), 42), (range(3000, 3036), 2), (range(4000, 4036), 41),
        ((5001,), 2), ((5002,), 41),
    ):  # fmt: skip
        mapping.update(dict.fromkeys(group, target))
    pairs = ((9, 48), (10, 49), (11, 50), (12, 51), (13, 52), (9012, 9051))
    return LabelTable("aseg", mapping, _sets(*pairs))


def _drawem87() -> LabelTable:
    """Return Draw-EM's 87 labels (dHCP "all labels", ``desc-drawem87_dseg``).

    Source: label_names/ALBERT/all_labels.csv of the repository MIRTK/DrawEM (Makropoulos et al.,
    IEEE Trans Med Imaging 2014, doi 10.1109/TMI.2014.2322280). Putamen and pallidum are one.
    """
    mapping = {0: 0, 19: 16, 48: 192, 49: 4, 50: 43, 83: 24, 84: 0, 85: 0}
    # In the temporal lobe left comes first, elsewhere right.
    for first, last, one, other in (
        (1, 2, 17, 53), (3, 4, 18, 54), (5, 16, 3, 42), (17, 18, 8, 47), (20, 39, 42, 3),
        (40, 41, 50, 11), (42, 43, 49, 10), (44, 45, 60, 28), (46, 47, 9051, 9012),
        (51, 62, 2, 41), (63, 82, 41, 2), (86, 87, 49, 10),
    ):  # fmt: skip
        mapping.update({i: (one, other)[(i - first) % 2] for i in range(first, last + 1)})
    return LabelTable("drawem87", mapping, _sets((40, 41, 46, 47)))


def _drawem9() -> LabelTable:
    """Return Draw-EM's 9 tissues: deep grey matter in one, no single nuclei, no sides.

    Source: label_names/ALBERT/tissue_labels.csv of the repository MIRTK/DrawEM.
    """
    mapping = {0: 0, 1: 24, 2: 220, 3: 219, 4: 0, 5: 213, 6: 9008, 7: 9010, 8: 16, 9: 9017}
    return LabelTable("drawem9", mapping, _sets((1, 2, 3, 7)))


def _mcrib() -> LabelTable:
    """Return M-CRIB's table (Alexander et al., NeuroImage 2017).

    Source: M-CRIB_labels_ITK_format.txt of the repository DevelopmentalImagingMCRI/M-CRIB_atlas,
    and label_names/MCRIB/all_labels.csv of MIRTK/DrawEM, which adds 4000. "Subcortical matter"
    (89, 92) is the capsule and what else lies between the nuclei: white matter here.
    """
    mapping = {i: i for i in (2, 4, 11, 12, 13, 14, 15, 17, 18, 24, 26, 28)}
    mapping |= {i: i for i in (41, 43, 50, 51, 52, 53, 54, 58, 60, 192)}
    mapping |= {0: 0, 9: 10, 48: 49, 75: 172, 76: 172, 90: 172, 91: 8, 93: 47, 89: 41, 92: 2}
    mapping |= {170: 16, 4000: 0}
    mapping |= dict.fromkeys(range(1000, 1036), 3) | dict.fromkeys(range(2000, 2036), 42)
    nuclei = (11, 12, 13, 50, 51, 52)
    return LabelTable("mcrib", mapping, _sets((*nuclei, 89, 92), (*nuclei, 91, 93)))


def _crl() -> LabelTable:
    """Return the tissue labels of the CRL fetal atlases (``STA30_tissue``, CRL-2025).

    Gholipour et al., Sci Rep 2017, doi 10.1038/s41598-017-00525-w. Numbers: 4compute-STAkey.txt
    of the laboratory's repository IntelligentImaging/t2-recon-pipeline; 95 and 125 (mostly
    internal capsule) from tissue_to_MR.m of the FaBiAN phantom (Lajous et al., Sci Rep 2022,
    doi 10.1038/s41598-022-10335-4). 73 and 74 are called putamen there and lentiform in the
    laboratory's key, which is followed; they contain the pallidum.
    """
    mapping = {0: 0, 91: 192, 94: 16, 95: 16, 110: 219, 111: 219, 124: 24, 125: 219, 128: 24}
    mapping |= {129: 14, 130: 15, 131: 172}
    for left, target in (
        (37, 17), (41, 18), (71, 11), (73, 9012), (77, 10), (92, 4), (100, 8), (108, 28),
        (112, 3), (114, 2), (116, 2), (118, 2), (120, 2), (122, 2), (126, 2),
    ):  # fmt: skip
        mapping |= {left: target, left + 1: REGIONS[target].mirror}
    return LabelTable("crl", mapping, _sets((71, 72, 73, 74)))


def known_tables() -> dict[str, LabelTable]:
    """Return the published tables by name, in the order in which they are tried."""
    tables = (_freesurfer(), _mcrib(), _drawem87(), _crl(), _drawem9())
    return {table.name: table for table in tables}


def table_from_file(path: str | os.PathLike[str]) -> LabelTable:
    """Read a label table and understand it by its names.

    Parameters
    ----------
    path : path-like
        See `bgpvs_wf.anatomy.label_names.read_names`.

    Returns
    -------
    LabelTable
        Names nobody knows become background, with a warning in the log.

    Raises
    ------
    BadLabelsError
        If the file is no label table, or names no tissue at all.
    """
    path = Path(path)
    mapping, unknown = harmonised_by_name(read_names(path))
    if not any(label > 0 for label in mapping.values()):
        raise BadLabelsError(f"{path} names no structure known here, such as Left-Caudate.")
    if unknown:
        shown = ", ".join(f"{i} {name}" for i, name in list(unknown.items())[:5])
        _log.warning("%s: %d names not understood (%s ...)", path, len(unknown), shown)
    return LabelTable(str(path), mapping | dict.fromkeys(unknown, 0))


def get_table(name: str) -> LabelTable:
    """Return a published table by name, or read the file of that path.

    Raises
    ------
    BadLabelsError
        If it is neither.
    """
    tables = known_tables()
    if name in tables:
        return tables[name]
    if not Path(name).is_file():
        raise BadLabelsError(
            f"Label table '{name}' is neither known ({', '.join(tables)}) nor a file."
        )
    return table_from_file(name)


def detect_table(
    indices: Iterable[int],
    table_file: str | os.PathLike[str] | None = None,
    *,
    source: str = "the label map",
) -> LabelTable:
    """Tell which table a label map follows.

    Parameters
    ----------
    indices : iterable of int
        The labels that occur.
    table_file : path-like, optional
        A label table that came with the map; it decides.
    source : str
        Named in the messages.

    Raises
    ------
    BadLabelsError
        If no table has all of the labels and a recognisable share of its own; names the
        unknown labels.

    Examples
    --------
    >>> detect_table([0, 2, 11, 12, 50, 51, 1024]).name, detect_table(range(88)).name
    ('aseg', 'drawem87')
    """
    present = {int(i) for i in indices} - {0}
    if table_file is not None:
        table = table_from_file(table_file)
        _check_known(present, table, source)
        return table
    tables = known_tables()
    for table in tables.values():
        if present <= set(table.mapping) and any(mark <= present for mark in table.signature):
            return table
    nearest = min(tables.values(), key=lambda table: len(present - set(table.mapping)))
    unknown = sorted(present - set(nearest.mapping))
    why = (
        f"labels {_shown(unknown)} are in no known table ({nearest.name} comes nearest)"
        if unknown
        else f"labels {_shown(sorted(present))} could belong to any table, none with nuclei"
    )
    raise BadLabelsError(
        f"{source}: {why}; name its table ({', '.join(tables)}) or give a label table file."
    )


def harmonise(
    dseg: np.ndarray,
    table: str | LabelTable,
    *,
    source: str = "the label map",
    affine: np.ndarray | None = None,
) -> np.ndarray:
    """Translate a label map into harmonised labels.

    Parameters
    ----------
    dseg : ndarray, shape (x, y, z)
        Whole numbers, of any type.
    table : str or LabelTable
        Name of a published table, path of a table file, or a table.
    source : str
        Named in the messages: the file's path.
    affine : ndarray, shape (4, 4), optional
        Makes distances (mm) right where labels without a tissue of their own take that of
        their surroundings; voxels count as cubes without it.

    Returns
    -------
    ndarray of int16, shape (x, y, z)

    Raises
    ------
    BadLabelsError
        If the map holds anything but whole numbers, or labels the table has not.

    Examples
    --------
    >>> harmonise(np.array([[[0, 40, 47, 83]]]), "drawem87")
    array([[[   0,   50, 9012,   24]]], dtype=int16)
    """
    table = get_table(table) if isinstance(table, str) else table
    whole = _as_int(dseg, source)
    present, inverse = np.unique(whole, return_inverse=True)
    _check_known({int(i) for i in present} - {0}, table, source)
    wanted = np.array([table.mapping.get(int(i), 0) for i in present], np.int16)
    out = wanted[inverse].reshape(whole.shape)
    return _fill(out, np.eye(4) if affine is None else affine)


def require_nuclei(dseg: np.ndarray, *, source: str = "the label map") -> None:
    """Make sure that a harmonised label map has single nuclei of the basal ganglia.

    Raises
    ------
    BadLabelsError
        If it has none, as Draw-EM's 9 tissues.
    """
    if not np.isin(dseg, BG_LABELS).any():
        raise BadLabelsError(
            f"{source} has no labels of the basal ganglia, tissues at most; "
            "take a label map with single nuclei, or let the nuclei come from an atlas."
        )


def _fill(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    hole = labels == FILL
    if not hole.any():
        return labels
    from bgpvs_wf.imaging.morphology import nearest_label

    known = np.where(hole, 0, labels)
    if known.any():
        known[hole] = nearest_label(known, affine)[hole]
    return known


def _as_int(dseg: np.ndarray, source: str) -> np.ndarray:
    dseg = np.asarray(dseg)
    if dseg.dtype.kind in "iu":
        return dseg
    whole = np.round(dseg).astype(np.int64)
    if not np.array_equal(whole, dseg):
        raise BadLabelsError(f"{source} has values between whole numbers; it is no label map.")
    return whole


def _check_known(present: set[int], table: LabelTable, source: str) -> None:
    unknown = sorted(present - set(table.mapping))
    if unknown:
        raise BadLabelsError(
            f"{source}: labels {_shown(unknown)} are not in the label table '{table.name}'; "
            "name the right table or give a label table file."
        )


def _shown(labels: list[int], limit: int = 8) -> str:
    more = f" and {len(labels) - limit} more" if len(labels) > limit else ""
    return ", ".join(map(str, labels[:limit])) + more
