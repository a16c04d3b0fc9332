"""Infants of whom all is known: values of laws that change with age."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bgpvs_wf.quantification.columns import GROUP_COLUMNS

FIRST, LAST = 36.0, 145.0


def draw_ages(number, rng):
    return np.exp(rng.uniform(np.log(FIRST), np.log(LAST), number))


def gamma(ages, rng):
    """Skewed, growing, relatively wider in the young."""
    spread = 0.7 - 0.3 * np.log(ages / FIRST) / np.log(LAST / FIRST)
    return rng.gamma(1 / spread**2) * spread**2 * middle(ages)


def counts(ages, rng):
    return rng.negative_binomial(2.0, 2.0 / (2.0 + middle(ages) / 4)).astype(float)


def middle(ages):
    return 50 * (1 - 0.75 * np.exp(-(ages - 30) / 35))


def cohort(number, seed=0, session=None, **columns):
    """The table of regions of some infants, as `read_cohort` gives it."""
    rng = np.random.default_rng(seed)
    ages = draw_ages(number, rng)
    volume, count = gamma(ages, rng), counts(ages, rng)
    whole = 100 * middle(ages) * np.exp(0.1 * rng.standard_normal(number))
    rows = []
    for i in range(number):
        for region, part in (("BG", 1.0), ("Accumbens-area", 0.1)):
            row = dict.fromkeys(GROUP_COLUMNS, np.nan)
            row |= {"subject": f"{i:03}", "session": session, "region": region, "side": "both"}
            row |= {"name": region, "age_weeks": ages[i], "age": ages[i]}
            row |= {"volume_mm3": whole[i] * part}
            if region == "BG":
                row |= {"pvs_count": count[i], "pvs_volume_mm3": volume[i]}
                row |= {"pvs_volume_tube_mm3": volume[i], "pvs_fraction": volume[i] / whole[i]}
                row |= {"pvs_fraction_tube": volume[i] / whole[i]}
            rows.append(row | {name: values[i] for name, values in columns.items()})
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(("subject", "session", "name", "region", "side"), object))
