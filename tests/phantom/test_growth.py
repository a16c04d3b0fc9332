from __future__ import annotations

import numpy as np
import pytest

from bgpvs_wf.errors import AgeError
from bgpvs_wf.phantom.growth import NUCLEI_NAMES, growth_at


def test_brain_grows_as_published():
    # Knickmeyer et al. 2008: scans at 2 to 4 weeks, 1 and 2 years.
    first, one, two = (growth_at(age).brain_ml for age in (43, 92.2, 144.4))
    assert one / first == pytest.approx(2.01, abs=0.05)
    assert two / one == pytest.approx(1.15, abs=0.02)
    # Hueppi et al. 1998: 22 mL a week.
    assert (growth_at(40).brain_ml - growth_at(30).brain_ml) / 10 == pytest.approx(22, abs=2)


def test_everything_keeps_growing():
    ages = np.arange(28, 145, 2.0)
    for values in (
        [growth_at(age).brain_ml for age in ages],
        *([growth_at(age).nuclei_ml[name] for age in ages] for name in NUCLEI_NAMES),
    ):
        assert (np.diff(values) > 0).all()


def test_term_nuclei():
    nuclei = growth_at(40).nuclei_ml
    assert nuclei["caudate"] == pytest.approx(1.3)
    assert nuclei["putamen"] == pytest.approx(1.8)
    assert nuclei["pallidum"] == pytest.approx(0.8)


@pytest.mark.parametrize("age", [27.9, 161, float("nan")])
def test_refuses_other_ages(age):
    with pytest.raises(AgeError, match="28 to 160"):
        growth_at(age)
