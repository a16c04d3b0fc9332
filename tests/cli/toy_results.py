"""Results of a cohort and its dataset, in which PVS volume grows and one group has more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bgpvs_wf.quantification.columns import GROUP_COLUMNS
from bgpvs_wf.quantification.group import write_tsv


def make_results(root: Path, infants: int = 50) -> Path:
    """Write the table of all of some infants, and the dataset that it says it is of."""
    rng = np.random.default_rng(4)
    out, bids = root / "out", root / "bids"
    out.mkdir()
    bids.mkdir()
    rows, told = [], []
    for number in range(infants):
        subject, age = f"{number:02d}", rng.uniform(40, 90)
        group, site = rng.choice(["full", "preterm"]), "xy"[number % 2]
        volume = (10 + 0.25 * (age - 60)) * (1.4 if group == "preterm" else 1) + rng.normal(0, 1)
        for region, share in (("Caudate", 0.4), ("Putamen", 0.6), ("BG", 1.0)):
            row: dict[str, object] = dict.fromkeys(GROUP_COLUMNS, np.nan)
            row |= {"subject": subject, "session": None, "age_weeks": age, "name": region}
            row |= {"region": region, "side": "both", "volume_mm3": 9000 * share}
            row |= {"pvs_count": int(rng.poisson(6)), "pvs_volume_mm3": volume * share}
            rows.append(row)
        sex = "n/a" if number == 3 else rng.choice(["F", "M"])
        told.append({"participant_id": f"sub-{subject}", "sex": sex, "group": group, "site": site})
    write_tsv(pd.DataFrame(rows), out / "group_bgpvs.tsv")
    pd.DataFrame(told).to_csv(bids / "participants.tsv", sep="\t", index=False)
    links = {"DatasetLinks": {"raw": bids.resolve().as_uri()}}
    (out / "dataset_description.json").write_text(json.dumps(links))
    return out
