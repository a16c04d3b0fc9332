"""How the brain and its parts grow from 28 to 160 post-menstrual weeks.

Whole-brain volume: 22 mL a week from 29 to 41 weeks (Hueppi et al., Ann Neurol 1998,
doi 10.1002/ana.410430213), about 64 % in the 90 days after birth (Holland et al., JAMA Neurol
2014, doi 10.1001/jamaneurol.2014.1638), 101 % in the first year after the first weeks and 15 % in
the second, the cerebellum 240 % in the first year, the caudate 19 % in the second (Knickmeyer et
al., J Neurosci 2008, doi 10.1523/JNEUROSCI.3479-08.2008). Cortical thickness grows by about 36 %
in two years (Lyall et al., Cereb Cortex 2015, doi 10.1093/cercor/bhu027). Volumes of the nuclei at
term are those of ten term neonates, segmented by hand (M-CRIB, Alexander et al., NeuroImage 2017,
doi 10.1016/j.neuroimage.2016.09.068; on its group maps 1.33, 1.78, 0.78, 0.17 and 4.0 mL a
side of caudate, putamen, pallidum, accumbens and thalamus); before term they follow the brain, and
at 2, 6 and 12 months what was segmented in three infants, less what their brains are larger than
average (their thalami are thought too small, and are not followed).
Sulci, fissures and fluid spaces are chosen by eye on the same infants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from bgpvs_wf.anatomy.contrast import MAX_AGE_WEEKS, MIN_AGE_WEEKS
from bgpvs_wf.anatomy.matching import parse_age
from bgpvs_wf.errors import AgeError, UsageError

_WEEKS = (28.0, 32.0, 36.0, 40.0, 43.0, 53.0, 66.1, 79.1, 92.2, 118.3, 144.4)
_REFERENCE_BRAIN_ML = 884.0  # at 92.2 weeks, the age the shapes are drawn for
_CURVES = {
    "brain_ml": (140, 215, 300, 385, 440, 600, 715, 805, 884, 965, 1017),
    "caudate": (0.55, 0.78, 1.03, 1.30, 1.50, 2.00, 2.45, 2.60, 2.70, 2.95, 3.20),
    "putamen": (0.70, 1.05, 1.40, 1.80, 2.05, 2.65, 3.15, 3.35, 3.50, 3.75, 3.95),
    "pallidum": (0.33, 0.47, 0.63, 0.80, 0.87, 1.08, 1.28, 1.34, 1.38, 1.45, 1.50),
    "accumbens": (0.08, 0.11, 0.14, 0.17, 0.19, 0.24, 0.28, 0.31, 0.34, 0.37, 0.39),
    "thalamus": (1.85, 2.60, 3.30, 4.00, 4.20, 4.60, 4.90, 5.10, 5.25, 5.55, 5.80),
    "cortex_mm": (1.40, 1.50, 1.65, 1.85, 1.95, 2.25, 2.45, 2.55, 2.65, 2.70, 2.70),
    "sulcus_depth_mm": (2.0, 5.0, 8.0, 11.0, 12.0, 14.5, 16.0, 17.0, 18.0, 18.5, 19.0),
    "sulcus_width_mm": (1.0, 0.8, 0.55, 0.35, 0.32, 0.28, 0.24, 0.22, 0.2, 0.2, 0.2),
    "fissure_width_mm": (2.0, 1.7, 1.4, 1.1, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.9),
    "sylvian_width_mm": (6.0, 4.0, 2.2, 1.2, 1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8),
    "fluid_mm": (1.8, 1.5, 1.1, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.45, 0.45),
    "cerebellum_scale": (0.86, 0.90, 0.95, 1.00, 1.03, 1.10, 1.15, 1.18, 1.20, 1.21, 1.22),
    "ventricle_mm": (1.0, 0.8, 0.4, 0.1, 0.0, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0),
}
NUCLEI_NAMES = ("thalamus", "caudate", "accumbens", "putamen", "pallidum")


@dataclass(frozen=True)
class Growth:
    """Sizes at an age; lengths in mm of the infant, volumes in mL."""

    age_weeks: float
    brain_ml: float
    """Brain tissue: grey and white matter of the whole brain."""
    nuclei_ml: dict[str, float]
    """Each nucleus, one side."""
    cortex_mm: float
    sulcus_depth_mm: float
    sulcus_width_mm: float
    fissure_width_mm: float
    """Width of the interhemispheric fissure."""
    sylvian_width_mm: float
    fluid_mm: float
    """Depth of the fluid around the cerebrum."""
    cerebellum_scale: float
    """Size of the cerebellum relative to the cerebrum, 1 at term."""
    ventricle_mm: float
    """How far the walls of the lateral ventricles stand out from their usual place."""

    @property
    def scale(self) -> float:
        """Length relative to the 12-month brain the shapes are drawn for."""
        return float(np.cbrt(self.brain_ml / _REFERENCE_BRAIN_ML))


def growth_at(age_weeks: float) -> Growth:
    """Return the sizes at an age.

    Parameters
    ----------
    age_weeks : float
        Post-menstrual age, weeks, 28 to 160; nothing grows after 144.4 (24 months).

    Raises
    ------
    AgeError
        If the age is out of range.

    Examples
    --------
    >>> round(growth_at(144.4).brain_ml / growth_at(92.2).brain_ml, 2)
    1.15
    """
    if not MIN_AGE_WEEKS <= age_weeks <= MAX_AGE_WEEKS:
        raise AgeError(
            f"Age {age_weeks:g} weeks is outside {MIN_AGE_WEEKS:g} to {MAX_AGE_WEEKS:g}"
            " post-menstrual weeks; no phantom can be made."
        )
    held = min(age_weeks, _WEEKS[-1])
    at = {name: float(PchipInterpolator(_WEEKS, knots)(held)) for name, knots in _CURVES.items()}
    nuclei = {name: at.pop(name) for name in NUCLEI_NAMES}
    return Growth(age_weeks=float(age_weeks), nuclei_ml=nuclei, **at)


def parse_ages(option: str, text: str) -> list[float]:
    """Read ages that infants can be made of, such as ``40w,3m``; post-menstrual weeks.

    Raises
    ------
    UsageError
        If one cannot be read or is out of range; it names the option.
    """
    ages = []
    for item in text.split(","):
        try:
            ages.append(parse_age(item))
            growth_at(ages[-1])
        except AgeError as error:
            raise UsageError(f"{option} {text}: {error}") from error
    return ages
