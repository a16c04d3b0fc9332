"""Labels that a model suggested, told apart from those that somebody has corrected since."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from bgpvs_wf.bids.derivatives import sidecar_path
from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.files import load_image, read_json

_KEY = "SuggestedVoxels"


def suggestion_mark(labels: np.ndarray) -> dict[str, str]:
    """Return what the sidecar of suggested labels says, to know them again.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
        At most 255.
    """
    content = np.ascontiguousarray(labels, np.uint8).tobytes()
    return {_KEY: hashlib.sha256(content).hexdigest()}


def is_as_suggested(dseg: Path) -> bool:
    """Return whether labels are what their sidecar says was suggested, voxel by voxel.

    Labels without such a sidecar, and those that cannot be read, are not.
    """
    mark = read_json(sidecar_path(dseg)).get(_KEY)
    if mark is None:
        return False
    try:
        labels = np.asanyarray(load_image(dseg, allow_constant=True).dataobj)
    except BGPVSError:
        return False
    return suggestion_mark(labels)[_KEY] == mark
