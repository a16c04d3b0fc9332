"""What all tests share: no display, nobody's own atlases, real scans where there are any."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from bgpvs_wf.phantom.subject import SyntheticInfant

os.environ["MPLBACKEND"] = "Agg"
os.environ["NIPYPE_NO_ET"] = "1"

settings.register_profile(
    "bgpvs",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("bgpvs")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder with the three real infants, the M-CRIB maps and the reference nuclei."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("BGPVS_TEST_DATA", default))
    if not (folder / "infants" / "dataset_description.json").is_file():
        pytest.skip(f"no real scans at {folder}; set BGPVS_TEST_DATA to where they are")
    return folder


@pytest.fixture(autouse=True)
def no_own_atlases(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Hide the atlases that the user running the tests has imported."""
    monkeypatch.setenv("BGPVS_WF_ATLASES", str(tmp_path_factory.getbasetemp() / "no-atlases"))


@pytest.fixture(scope="session")
def tiny_infant() -> SyntheticInfant:
    """Return an infant of 60 weeks at 1.5 mm, cropped to the basal ganglia and 8 mm around."""
    from bgpvs_wf.anatomy.labels import BG_LABELS
    from bgpvs_wf.phantom import simulate_subject
    from bgpvs_wf.phantom.protocol import plain

    infant = simulate_subject(60, seed=3, protocol=plain(1.5), n_tubes=14)
    at = np.argwhere(np.isin(infant.dseg, BG_LABELS))
    low, high = at.min(axis=0) - 5, at.max(axis=0) + 6
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine = infant.affine.copy()
    affine[:3, 3] = (infant.affine @ np.append(low, 1))[:3]
    arrays = {name: getattr(infant, name)[box] for name in ("t1w", "t2w", "dseg", "bgpvs")}
    return dataclasses.replace(infant, affine=affine, occupancy=infant.occupancy[box], **arrays)
