from __future__ import annotations

import pytest
import torch

from bgpvs_wf.learning.inference import localisation
from bgpvs_wf.learning.nets.sliding_window import WINDOWS


@pytest.fixture(autouse=True, scope="module")
def toy_windows():
    """Let networks have windows for the toy head: they take a fraction of the time."""
    before = dict(WINDOWS)
    WINDOWS.update(coarse=(24, 24, 24), anatomy=(40, 32, 28), joint=(40, 32, 28))
    yield
    WINDOWS.update(before)


@pytest.fixture(autouse=True, scope="module")
def toy_nuclei():
    """Let nuclei be believed that are as small as those of the toy head, 800 mm3 a side."""
    before = localisation._BELIEVED_MM3
    localisation._BELIEVED_MM3 = 300.0
    yield
    localisation._BELIEVED_MM3 = before


@pytest.fixture(scope="module")
def one_thread():
    """Let torch have one thread, as workers do: with more, the last bit of a blur is another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
