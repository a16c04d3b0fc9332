"""What arrays hold, for annotations; their shapes are in the docstrings of what takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Real numbers: shares of voxels, probabilities, lengths, weights, matrices."""
Ints = NDArray[np.integer[Any]]
"""Whole numbers: indices, counts."""
Mask = NDArray[np.bool_]
"""Which voxels, or which entries of a list."""
Labels = NDArray[np.integer[Any]]
"""What each voxel is: the number of a structure or of an object, 0 for none."""
Image = NDArray[np.floating[Any] | np.integer[Any]]
"""Signals of voxels, real or whole numbers, as they were scanned or scaled."""
Affine = NDArray[np.floating[Any]]
"""Takes homogeneous coordinates to others, shape (4, 4): of a grid, voxel index to mm, RAS+."""
Points = NDArray[np.floating[Any]]
"""Places in space, mm, shape (n, 3)."""
