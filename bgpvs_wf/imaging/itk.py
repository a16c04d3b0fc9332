"""Affines as ITK and ANTs write and read them: mm LPS+, from a fixed to a moving image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bgpvs_wf.arrays import Affine

_LPS = np.diag([-1.0, -1.0, 1.0])


def itk_text(transform: Affine) -> str:
    """Return an affine, mm RAS+, as the text file that ITK and ANTs read.

    Examples
    --------
    >>> print(itk_text(np.eye(4)).splitlines()[3])
    Parameters: 1 0 0 0 1 0 0 0 1 0 0 0
    """
    matrix = _LPS @ transform[:3, :3] @ _LPS
    offset = _LPS @ transform[:3, 3]
    numbers = " ".join(f"{value + 0.0:.10g}" for value in (*matrix.ravel(), *offset))
    return (
        "#Insight Transform File V1.0\n#Transform 0\n"
        "Transform: AffineTransform_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n"
    )


def read_itk(path: str | Path) -> Affine:
    """Return the affine in a binary file that ANTs wrote, mm RAS+, shape (4, 4).

    It takes places in the fixed image to those in the moving one.
    """
    from scipy.io import loadmat

    found = loadmat(path)
    (values,) = (value for name, value in found.items() if name.startswith("AffineTransform"))
    values, centre = np.asarray(values, float).ravel(), np.asarray(found["fixed"], float).ravel()
    matrix, move = values[:9].reshape(3, 3), values[9:]
    transform = np.eye(4)
    transform[:3, :3] = _LPS @ matrix @ _LPS
    # y = A (x - centre) + centre + move
    transform[:3, 3] = _LPS @ (move + centre - matrix @ centre)
    return transform
