"""Where a registration starts, and whether the header can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

TURNS = ("as the header says", "turned about left-right", "turned about front-back",
         "turned about up-down")  # fmt: skip
"""The starts, in order: 180 degrees about each axis of space."""
MARGIN = 0.02
"""A turned start must correlate better by this much to be believed (chosen)."""
CREDIBLE_DEGREES = 75.0
"""A head that lies turned by more than this, by its header, lies otherwise (chosen)."""
_CONTRADICTION = "The header contradicts the anatomy:"


def start_transforms(
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    moving: np.ndarray,
    moving_affine: np.ndarray,
    lie: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return starts that put the centres of mass on each other, one a turn of `TURNS`.

    Where it is known how the head lies (`lie`: its axes right, anterior and superior as columns,
    in space, shape (3, 3)), that is what is turned.

    Public files exist whose header says the opposite of what the voxels show, by half a turn.
    Mirror images cannot be told: a brain is nearly its own mirror image.

    Returns
    -------
    list of ndarray, shape (4, 4)
        From fixed to moving space, mm, RAS+.
    """
    centres = [_centre(fixed, fixed_affine), _centre(moving, moving_affine)]
    starts = []
    for transform in (np.eye(4), *map(half_turn, range(3))):
        if lie is not None:
            transform[:3, :3] = lie @ transform[:3, :3]
        transform[:3, 3] = centres[1] - transform[:3, :3] @ centres[0]
        starts.append(transform)
    return starts


def choose_start(
    fixed: np.ndarray,
    mask: np.ndarray,
    warped: Sequence[np.ndarray],
    lie: np.ndarray | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Return the number of the best start and, if it is a turned one, what to tell the user.

    Parameters
    ----------
    fixed : ndarray, shape (x, y, z)
    mask : ndarray of bool, shape (x, y, z)
        Where to compare.
    warped : sequence of ndarray, shape (x, y, z)
        The subject in the atlas's space, registered from each start.
    lie : ndarray, optional, shape (3, 3)
        See `start_transforms`.
    """
    scores = [abs(_correlation(fixed[mask], image[mask])) for image in warped]
    best = int(np.argmax(scores))
    if scores[best] < scores[0] + MARGIN:
        best = 0
    found = np.eye(3) if lie is None else lie
    turned = turn_degrees(found @ half_turn(best - 1)[:3, :3] if best else found)
    if turned < CREDIBLE_DEGREES:
        return best, ()
    how = f"{TURNS[best]} by 180" if lie is None else f"turned by {turned:.0f}"
    against = f" against {scores[0]:.2f}" if best else ""
    fits = f"the brain fits the atlas when {how} degrees (correlation {scores[best]:.2f}{against})"
    return best, (header_note(fits),)


def half_turn(axis: int) -> np.ndarray:
    """Return the rotation by 180 degrees about an axis of space, shape (4, 4)."""
    return np.diag([*(1.0 if other == axis else -1.0 for other in range(3)), 1.0])


def turn_degrees(turn: np.ndarray) -> float:
    """Return the angle of a rotation, shape (3, 3), 0 to 180 degrees.

    Examples
    --------
    >>> turn_degrees(np.diag([1.0, -1.0, -1.0]))
    180.0
    """
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


def header_note(evidence: str) -> str:
    """Return what to tell the user where the anatomy shows that a header is wrong by a turn."""
    return (
        f"{_CONTRADICTION} {evidence}. Sides follow the anatomy here, not the "
        "header; a mirrored image cannot be told from a turned one: correct the file."
    )


def contradicts_header(doubts: Iterable[str]) -> bool:
    """Return whether the anatomy showed that a header is wrong by a turn, see `header_note`.

    Sides are not known then: what looks turned may be mirrored.

    Examples
    --------
    >>> contradicts_header([header_note("it stands on its head")]), contradicts_header([])
    (True, False)
    """
    return any(doubt.startswith(_CONTRADICTION) for doubt in doubts)


def _centre(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    index = [
        np.average(np.arange(n), weights=np.maximum(_profile(data, axis), 1e-9))
        for axis, n in enumerate(data.shape)
    ]
    return (affine @ np.append(index, 1))[:3]


def _profile(data: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(i for i in range(3) if i != axis)
    return (np.asarray(data) > 0).sum(axis=others).astype(float)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0
