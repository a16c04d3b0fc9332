"""How right centile curves are on made-up infants: two methods, and how many infants are needed.

    python benchmarks/centiles.py [--runs 100] [--rival-runs 30] [--seed 1]

Prints tables: for each law that values follow and number of infants, by how many points of percent
the share of infants below a curve is off at an age (root mean square over ages and runs), for the
method of the program (LMS, negative binomial) and for its rival, quantile regression on the same
splines (Koenker and Bassett, Econometrica 1978, doi 10.2307/1913643), sorted at each age so that
curves do not cross (Chernozhukov et al., Econometrica 2010, doi 10.3982/ECTA7880); of counts on
jittered ones (Machado and Santos Silva, JASA 2005, doi 10.1198/016214505000000330). Of counts the
rival is judged a little too hard: its curves have steps, and are asked for the exact share.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

from bgpvs_wf.cohort.growth import box_cox, counts
from bgpvs_wf.cohort.growth.splines import basis_for

CENTILES = np.array([3, 5, 10, 25, 50, 75, 90, 95, 97]) / 100
NUMBERS = (20, 30, 40, 60, 80, 120, 200, 300, 400)
RIVAL_NUMBERS = (60, 120, 300)
FIRST, LAST = 36.0, 145.0
AGES = np.geomspace(FIRST * 1.05, LAST / 1.05, 25)
"""Where curves are judged, weeks."""


def middle(age: np.ndarray) -> np.ndarray:
    """Return what is usual at an age: fast growth that slows down."""
    return 1 - 0.75 * np.exp(-(age - 30) / 35)


def spread(age: np.ndarray, least: float, most: float) -> np.ndarray:
    """Return the relative spread at an age, falling from `most` to `least`."""
    share = np.log(age / FIRST) / np.log(LAST / FIRST)
    return most + (least - most) * share


class Ratio:
    """Values that are the middle times the exponential of a noise."""

    def __init__(self, noise, least: float, most: float) -> None:
        self.noise, self.ends = noise, (least, most)

    def draw(self, age, rng):
        """Return a value for each age."""
        noise = self.noise.rvs(size=len(age), random_state=rng)
        return 100 * middle(age) * np.exp(spread(age, *self.ends) * noise)

    def below(self, value, age):
        """Return the share of infants of an age below a value."""
        return self.noise.cdf(np.log(value / 100 / middle(age)) / spread(age, *self.ends))


class Gamma:
    """Skewed values, the more so the younger."""

    def draw(self, age, rng):
        """Return a value for each age."""
        return stats.gamma(*self.terms(age)).rvs(random_state=rng)

    def below(self, value, age):
        """Return the share of infants of an age below a value."""
        return stats.gamma(*self.terms(age)).cdf(value)

    def terms(self, age):
        """Return shape, place and scale."""
        shape = 1 / spread(age, 0.4, 0.7) ** 2
        return shape, 0, 50 * middle(age) / shape


class Binomial:
    """Counts: negative binomial."""

    def below(self, value, age):
        """Return the share of infants of an age with less; half of those with as many."""
        law = self.law(age)
        return law.cdf(value) - 0.5 * law.pmf(value)

    def draw(self, age, rng):
        """Return a count for each age."""
        return self.law(age).rvs(random_state=rng).astype(float)

    def law(self, age):
        """Return the distribution."""
        size = 1 / spread(age, 0.2, 0.6)
        return stats.nbinom(size, size / (size + 12 * middle(age)))


class Mixed:
    """A tenth of the infants has twice as much: no method is told."""

    def __init__(self) -> None:
        self.usual = Ratio(stats.norm(), 0.3, 0.3)

    def draw(self, age, rng):
        """Return a value for each age."""
        return self.usual.draw(age, rng) * np.where(rng.random(len(age)) < 0.1, 2, 1)

    def below(self, value, age):
        """Return the share of infants of an age below a value."""
        return 0.9 * self.usual.below(value, age) + 0.1 * self.usual.below(value / 2, age)


LAWS = {
    "log-normal, spread 10 %": Ratio(stats.norm(), 0.1, 0.1),
    "gamma, spread 40 to 70 %": Gamma(),
    "heavy tails (t, 5 degrees)": Ratio(stats.t(5), 0.25, 0.35),
    "a tenth has twice as much": Mixed(),
    "counts, negative binomial": Binomial(),
}


def by_program(values, age, law):
    """Return the curves of the program at `AGES`, (centiles, ages)."""
    kind = counts if isinstance(law, Binomial) else box_cox
    at = kind.fit(values, age, basis_for(age, len(age)), AGES)
    if kind is counts:
        # A curve of counts has steps: judged is the centile that a count at it is given.
        shown = [kind.value_at(share, at) for share in CENTILES]
        return np.array(shown), np.array([kind.share_below(value, at) for value in shown])
    return np.array([kind.value_at(share, at) for share in CENTILES]), None


def by_rival(values, age, law, rng):
    """Return the same of quantile regression."""
    from statsmodels.regression.quantile_regression import QuantReg

    basis = basis_for(age, len(age))
    discrete = isinstance(law, Binomial)
    jittered = values + rng.random(len(values)) if discrete else values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [QuantReg(jittered, basis.at(age)).fit(q=share).params for share in CENTILES]
    curves = np.sort([basis.at(AGES) @ one for one in fits], axis=0)
    if discrete:
        curves = np.maximum(np.ceil(curves - 1), 0)
    return np.maximum(curves, 1e-9) if not discrete else curves, None


def errors(law, number: int, runs: int, seed: int, method: Callable) -> np.ndarray:
    """Return the root mean square errors of the shares below each centile, points of percent."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng([seed, number, run])
        age = np.exp(rng.uniform(np.log(FIRST), np.log(LAST), number))
        curves, claimed = method(law.draw(age, rng), age, law, rng)
        wanted = CENTILES[:, None] if claimed is None else claimed
        found.append(np.array([law.below(one, AGES) for one in curves]) - wanted)
    return 100 * np.sqrt(np.mean(np.square(found), axis=(0, 2)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rival-runs", type=int, default=30)
    options = parser.parse_args()

    def ours(values, age, law, rng):
        return by_program(values, age, law)

    head = " ".join(f"{share * 100:5.0f}" for share in CENTILES)
    for name, law in LAWS.items():
        print(f"\n{name}\n{'infants':>8} {'method':>8} {head}", flush=True)
        for number in NUMBERS:
            rivals = {"program": (ours, options.runs)}
            if number in RIVAL_NUMBERS:
                rivals["rival"] = (by_rival, options.rival_runs)
            for called, (method, runs) in rivals.items():
                row = errors(law, number, runs, options.seed, method)
                print(f"{number:8} {called:>8}", *(f"{one:5.1f}" for one in row), flush=True)


if __name__ == "__main__":
    main()
