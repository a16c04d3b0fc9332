"""How often chance is found after sites were harmonised, the more it goes together with a site.

    python benchmarks/harmonising.py [--cohorts 400]

90 infants of three sites, which differ in what they measure; a group that has no effect, and whose
share at one site differs from that at the others. Needs the extra `harmonise`.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from bgpvs_wf.cohort.association.design import make_design
from bgpvs_wf.cohort.association.formula import read_formula
from bgpvs_wf.cohort.association.harmonising import combat, wider_by_sites
from bgpvs_wf.cohort.association.linear import least_squares

SHARES = ((1 / 3, 1 / 3), (0.6, 0.4), (0.8, 0.2), (0.9, 0.1))
"""Of the group at the first site, and at the others."""


def main() -> None:
    """Print a line for each pair of shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=400)
    cohorts = parser.parse_args().cohorts
    rng = np.random.default_rng(0)
    print("share at one site, at others: wider by sites, found with p < 0.05")
    for shares in SHARES:
        told = np.array([_one(rng, *shares) for _ in range(cohorts)])
        wider, found = told.mean(axis=0)
        print(f"{shares[0]:.0%}, {shares[1]:.0%}: {wider:.2f}, {found:.1%}")


def _one(rng: np.random.Generator, first: float, others: float) -> tuple[float, bool]:
    site = rng.integers(0, 3, 90)
    group = rng.random(90) < np.where(site == 0, first, others)
    age = rng.uniform(40, 90, 90)
    volume = 10 + 0.2 * (age - 60) + np.array([0.0, 3.0, -2.0])[site] + rng.normal(0, 1.9, 90)
    rows = pd.DataFrame({"volume": volume, "age": age, "group": np.where(group, "b", "a")})
    design = make_design(rows, read_formula("volume ~ age + group", list(rows.columns)))
    place = design.names.index("group[T.b]")
    made = combat({"volume": volume}, design, site.astype(str))
    found = least_squares(made, design.matrix).p[place] < 0.05
    return wider_by_sites(design, site.astype(str))[place], bool(found)


if __name__ == "__main__":
    main()
