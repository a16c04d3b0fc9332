"""Smooth random fields as sums of plane waves: closed form, so any point can be asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgpvs_wf.phantom.shapes import Points


@dataclass(frozen=True)
class WaveField:
    """A smooth random scalar field of unit variance.

    Parameters
    ----------
    vectors : ndarray, shape (n, 3)
        Wave vectors, radians per mm.
    phases : ndarray, shape (n,)
        Radians.
    """

    vectors: np.ndarray
    phases: np.ndarray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, count: int, wavelengths_mm: tuple[float, float]
    ) -> WaveField:
        """Draw waves of isotropic direction, wavelengths between two limits, mm."""
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = rng.uniform(*wavelengths_mm, size=(count, 1))
        return cls(direction * 2 * np.pi / length, rng.uniform(0, 2 * np.pi, count))

    def __call__(self, points: Points) -> np.ndarray:
        """Return the field at points, mm."""
        total = np.zeros(np.broadcast_shapes(*(p.shape for p in points)), points[0].dtype)
        for (a, b, c), phase in zip(self.vectors.tolist(), self.phases.tolist(), strict=True):
            total += np.cos(a * points[0] + b * points[1] + c * points[2] + phase)
        return total * float(np.sqrt(2 / len(self.phases)))
