"""What all tests share: no display, nobody's own atlases, real scans where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
