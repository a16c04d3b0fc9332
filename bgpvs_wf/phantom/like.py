"""Images written as others are: the same header, type and sidecar."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.reading import load_json, why_not

_log = logging.getLogger(__name__)


def save_like(image: np.ndarray, source: Path, path: Path) -> Path:
    """Write an image as another one is written: its header, type and scaling of values.

    Parameters
    ----------
    image : ndarray, shape (x, y, z)
        In the units that `bgpvs_wf.imaging.files.load_image` returns.
    source, path : Path
        The other image, and where to; ending in ``.nii.gz``.
    """
    import nibabel as nib

    from bgpvs_wf.imaging.files import write_bytes

    like = nib.load(source)
    header = like.header.copy()
    kind = header.get_data_dtype()
    slope, inter = like.dataobj.slope, like.dataobj.inter
    raw: Any = image
    if (slope, inter) != (1, 0):
        raw = (image.astype(np.float64) - inter) / slope
    if kind.kind in "iu" and raw.dtype.kind == "f":
        limits = np.iinfo(kind)
        raw = np.clip(np.rint(raw), limits.min, limits.max)
    written = type(like)(raw.astype(kind), like.affine, header)
    # With scaling in the header, nibabel writes the values as they are.
    written.header.set_slope_inter(slope, inter)
    return write_bytes(gzip.compress(written.to_bytes(), compresslevel=6, mtime=0), path)


def read_sidecar(image: Path) -> dict[str, Any]:
    """Read the sidecar of an image; without a usable one, warn if need be and return nothing.

    Parameters
    ----------
    image : Path
        Its sidecar has the same name, ending in ``.json``.
    """
    path = image.with_name(image.name.split(".", 1)[0] + ".json")
    try:
        known = load_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("Cannot read %s (%s); going on without it.", path, why_not(error, path))
        return {}
    if not isinstance(known, dict):
        _log.warning("%s holds no JSON object; going on without it.", path)
        return {}
    return known
