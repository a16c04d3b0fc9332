from __future__ import annotations

import numpy as np
import pytest
from toy_association import make_cohort


@pytest.fixture
def cohort():
    return make_cohort(np.random.default_rng(3))
