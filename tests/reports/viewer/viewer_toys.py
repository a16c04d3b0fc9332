from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation


@st.composite
def affines(draw) -> np.ndarray:
    """Any orientation, oblique or flipped, voxels of 0.5 to 2 mm."""
    sizes = [draw(st.floats(0.5, 2.0)) for _ in range(3)]
    flips = [draw(st.sampled_from([-1, 1])) for _ in range(3)]
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True)
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix() * np.array(sizes) * flips
    affine[:3, 3] = [draw(st.floats(-50, 50)) for _ in range(3)]
    return affine
