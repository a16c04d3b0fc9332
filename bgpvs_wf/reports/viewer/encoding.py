"""Surfaces and images as NiiVue reads them from memory: MZ3 and NIfTI, gzipped, in base64."""

from __future__ import annotations

import base64
import gzip
import struct

import numpy as np
from numpy.typing import NDArray

from bgpvs_wf.arrays import Affine, Ints
from bgpvs_wf.reports.viewer.surfaces import Surface

_MAGIC, _FACES, _VERTICES, _COLOURS = 23117, 1, 2, 4
"""Of the MZ3 format (github.com/neurolabusc/surf-ice, mz3)."""
_GRAIN_MM = 1 / 64
"""Places are rounded to it (chosen: far below a voxel, and files become half as large)."""
_LEVEL = 6


def mz3(surface: Surface, colours: Ints | None = None) -> bytes:
    """Return a surface as a gzipped MZ3 file, the same bytes for the same surface.

    Parameters
    ----------
    surface : Surface
        Vertices are rounded to a 64th of a mm.
    colours : ndarray of uint8, shape (n, 3), optional
        Of its vertices.
    """
    kinds = _FACES | _VERTICES | (0 if colours is None else _COLOURS)
    vertices = (np.rint(surface.vertices / _GRAIN_MM) * _GRAIN_MM).astype("<f4")
    counts = len(surface.faces), len(vertices)
    parts = [struct.pack("<HHIII", _MAGIC, kinds, *counts, 0)]
    parts += [surface.faces.astype("<u4").tobytes(), vertices.tobytes()]
    if colours is not None:
        opaque = np.full((len(colours), 1), 255)
        parts.append(np.hstack([colours, opaque]).astype(np.uint8).tobytes())
    return gzip.compress(b"".join(parts), _LEVEL, mtime=0)


def nifti(grey: NDArray[np.uint8], affine: Affine) -> bytes:
    """Return an image as a gzipped NIfTI file, the same bytes for the same image.

    Parameters
    ----------
    grey : ndarray of uint8, shape (x, y, z)
    affine : ndarray, shape (4, 4)
        Voxel index to mm, RAS+.
    """
    import nibabel as nib

    image = nib.Nifti1Image(grey, affine)
    # Black and white are where the values end, whatever occurs.
    image.header["cal_min"], image.header["cal_max"] = 0, 255
    return gzip.compress(image.to_bytes(), _LEVEL, mtime=0)


def base64_text(content: bytes) -> str:
    """Return bytes as text for a page."""
    return base64.b64encode(content).decode("ascii")
