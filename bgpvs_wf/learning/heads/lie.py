"""How a head lies, told by the hulls of the nuclei of both sides.

The line from the left nuclei to the right ones tells how far the head is turned and leans, the
length of their hulls from behind to front how far it nods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TILT_DEGREES = -6.0
"""How far the hulls of the nuclei look down in front in a head that lies straight (the mean of four
infants, -2 to -10)."""


@dataclass(frozen=True)
class Lie:
    """How a head lies.

    Parameters
    ----------
    axes : ndarray, shape (3, 3)
        The head's axes right, anterior and superior as columns, in directions of the axes of the
        image, in the order right, anterior, superior as its header says to the nearest.
    sureness : float
        Mean probability of the nuclei that tell it, 0 to 1.
    middle : ndarray, shape (3,)
        Of the hulls of these nuclei, mm, as the header of the image has it.
    volume_ml : float
        Of the hulls of both sides.
    others : tuple of Lie
        Otherwise than which it may lie, nearly as surely.
    """

    axes: np.ndarray
    sureness: float
    middle: np.ndarray
    volume_ml: float
    others: tuple[Lie, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "axes": np.round(self.axes, 9).tolist(),
            "sureness": round(self.sureness, 3),
            "middle": np.round(self.middle, 2).tolist(),
            "volume_ml": round(self.volume_ml, 2),
            "others": [one.to_dict() for one in self.others],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Lie:
        """Read what `to_dict` gave."""
        return cls(
            np.array(values["axes"], float),
            float(values["sureness"]),
            np.array(values["middle"], float),
            float(values["volume_ml"]),
            tuple(map(cls.from_dict, values["others"])),
        )


def lying(left: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """Return how a head lies in the grid that it is seen on.

    Parameters
    ----------
    left, right : ndarray of bool, shape (x, y, z)
        Hulls of the nuclei, on cubic voxels.

    Returns
    -------
    ndarray or None, shape (3, 3)
        The head's axes right, anterior and superior as columns, in directions of the grid's axes;
        None where nuclei of a side are missing, or the left ones are on the right.
    """
    sides = [np.argwhere(side) for side in (left, right)]
    if not all(len(side) for side in sides):
        return None
    across = sides[1].mean(axis=0) - sides[0].mean(axis=0)
    if across[0] <= 0:
        return None
    return upright_axes(across / np.linalg.norm(across), sides)


def upright_axes(rightwards: np.ndarray, sides: Sequence[np.ndarray]) -> np.ndarray:
    """Return the axes of a head that lies straight but for what its nuclei tell.

    Parameters
    ----------
    rightwards : ndarray, shape (3,)
        From left to right in the head, of length 1.
    sides : sequence of ndarray, shape (n, 3)
        Places in the nuclei of either side.

    Returns
    -------
    ndarray, shape (3, 3)
        Right, anterior and superior as columns.
    """
    # Each side about its own middle, or the gap between them would count.
    spread = np.concatenate([side - side.mean(axis=0) for side in sides])
    spread = spread - np.outer(spread @ rightwards, rightwards)
    forward = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    forward = forward * np.sign(forward[1] or 1.0)
    forward = forward - (forward @ rightwards) * rightwards
    forward /= np.linalg.norm(forward)
    hulls = np.stack([rightwards, forward, np.cross(rightwards, forward)], axis=1)
    return np.asarray(hulls @ _tilted(-TILT_DEGREES))


def _tilted(degrees: float) -> np.ndarray:
    """Return the rotation about left-right that lifts what is in front."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
