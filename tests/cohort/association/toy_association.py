"""A cohort with effects that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_cohort(
    rng: np.random.Generator,
    infants: int = 60,
    *,
    sessions: int = 1,
    slope: float = 0.2,
    group: float = 1.4,
    regions: tuple[str, ...] = ("BG",),
) -> pd.DataFrame:
    """A table as `read_cohort` gives it: 10 mm3 at 60 weeks, `slope` a week, times `group`."""
    rows = []
    for number in range(infants):
        kind, sex = rng.choice(["a", "b"]), rng.choice(["F", "M"])
        level = rng.normal(0, 1.0) if sessions > 1 else 0.0
        for session in range(sessions):
            age = rng.uniform(40, 90)
            expected = 10 * (group if kind == "b" else 1.0) + slope * (age - 60) + level
            for region in regions:
                rows.append(
                    {
                        "subject": f"{number:03d}",
                        "session": f"s{session}" if sessions > 1 else None,
                        "region": region,
                        "side": "both",
                        "pvs_volume": expected + rng.normal(0, 2.0),
                        "pvs_count": int(rng.negative_binomial(5, 5 / (5 + expected))),
                        "age": age,
                        "sex": sex,
                        "group": kind,
                        "site": ["x", "y", "z"][number % 3],
                        "bg_volume": 9000 + 50 * (age - 60) + rng.normal(0, 400),
                    }
                )
    return pd.DataFrame(rows).astype({"subject": object, "session": object})
