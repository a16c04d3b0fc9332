"""From the label table of a source to the harmonised labels."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bgpvs_wf.anatomy.label_names import FILL, harmonised_by_name, read_names
from bgpvs_wf.anatomy.labels import BG_LABELS
from bgpvs_wf.anatomy.published import LabelTable, known_tables
from bgpvs_wf.errors import BadLabelsError

_log = logging.getLogger(__name__)


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
    raise BadLabelsError(f"{source}: {why}; give a label table file (_dseg.tsv beside it).")


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
    top = max(table.mapping)
    outside = whole[(whole < 0) | (whole > top)]
    _check_known({int(i) for i in np.unique(outside)}, table, source)
    present = np.flatnonzero(np.bincount(whole.ravel(), minlength=1))
    _check_known({int(i) for i in present} - {0}, table, source)
    translation = np.zeros(top + 1, np.int16)
    for index, label in table.mapping.items():
        translation[index] = label
    return _fill(translation[whole], np.eye(4) if affine is None else affine)


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
    with np.errstate(invalid="ignore"):
        whole = dseg.astype(np.int32)
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


def read_labels(path: Path, table: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a label map and harmonise it.

    Parameters
    ----------
    path : Path
    table : str, optional
        Name or file of its label table; without it, it is told from the labels.

    Returns
    -------
    labels, affine : ndarray

    Raises
    ------
    BGPVSError
        If it cannot be read, or has no single nuclei of the basal ganglia.
    """
    from bgpvs_wf.imaging.files import load_image

    image = load_image(path, what="label map")
    data = np.asanyarray(image.dataobj)
    known = get_table(table) if table else detect_table(np.unique(data).tolist(), source=str(path))
    labels = harmonise(data, known, affine=image.affine, source=str(path))
    require_nuclei(labels, source=str(path))
    return labels, np.asarray(image.affine, float)
