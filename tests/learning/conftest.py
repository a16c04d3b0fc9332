from __future__ import annotations

import pytest

from bgpvs_wf.learning.inference import WINDOWS


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Let networks have windows for the toy head: they take a fraction of the time."""
    before = dict(WINDOWS)
    WINDOWS.update(coarse=(24, 24, 24), fine=(80, 64, 56))
    yield
    WINDOWS.update(before)
