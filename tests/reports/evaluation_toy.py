"""Made-up scores of an evaluation, plausible ones, and the real tables of them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from bgpvs_wf.evaluation.cohort import tables_from_cases
from bgpvs_wf.evaluation.score_tables import TABLES, EvaluationTables

METHODS = ("bgpvs-wf", "filter only", "nnU-Net")


def toy_tables(
    *,
    subjects: int = 30,
    methods: tuple[str, ...] = METHODS,
    proposed: str = METHODS[0],
    tubes: bool = True,
    empty_reference: bool = False,
) -> EvaluationTables:
    """Return tables of some infants; the first method is the best."""
    rng = np.random.default_rng(5)
    cases = _cases(rng, subjects, methods, empty_reference)
    found = _tubes(rng, subjects if tubes else 0, methods)
    problems = ("sub-31: no prediction of nnU-Net; not scored.",)
    return tables_from_cases(cases, found, proposed, problems)


def png() -> bytes:
    """Return a small picture."""
    from PIL import Image

    buffer = io.BytesIO()
    shades = np.tile(np.linspace(0, 255, 120, dtype=np.uint8), (80, 1))
    Image.fromarray(shades).save(buffer, format="PNG")
    return buffer.getvalue()


def _frame(name: str, rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(TABLES[name]))


def _cases(rng, subjects: int, methods: tuple[str, ...], empty_reference: bool) -> pd.DataFrame:
    rows = []
    truth = rng.gamma(6, 12, subjects)
    for i in range(subjects):
        for rank, method in enumerate(methods):
            who = {"subject": f"{i + 1:02d}", "session": "3mo" if i % 2 else None}
            for structure, mean, sd in (("BG", 0.9, 0.02), ("BG-PVS", 0.78, 0.07)):
                dice = float(np.clip(mean - 0.03 * rank + sd * rng.standard_normal(), 0, 1))
                pvs = structure == "BG-PVS"
                reference = truth[i] if pvs else 15000 + 60 * truth[i]
                empty = pvs and empty_reference
                score = np.nan if empty else dice
                rows.append(
                    {
                        **who,
                        "method": method,
                        "structure": structure,
                        "dice": 0.0 if empty else dice,
                        "recall": score,
                        "ppv": np.nan if empty else dice - 0.02,
                        "hausdorff_mm": np.nan if empty else 4 - 2 * dice,
                        "hd95_mm": np.nan if empty else 2.5 - 1.5 * dice,
                        "cluster_recall": score if pvs else np.nan,
                        "cluster_ppv": score if pvs else np.nan,
                        "cluster_f1": score if pvs else np.nan,
                        "reference_mm3": 0.0 if empty else reference,
                        "predicted_mm3": reference * (1 + 0.05 * rank + 0.08 * rng.normal()),
                        "predicted_tube_mm3": reference * (0.9 + 0.05 * rank) if pvs else np.nan,
                        "true_mm3": (0.0 if empty else reference * 0.95) if pvs else np.nan,
                        "reference_count": (0 if empty else reference // 5) if pvs else np.nan,
                        "predicted_count": reference // 5 + rng.integers(-2, 4) if pvs else np.nan,
                    }
                )
    return _frame("cases", rows)


def _tubes(rng, subjects: int, methods: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for i in range(subjects):
        for number in range(14):
            diameter = float(rng.uniform(0.35, 2.2))
            for rank, method in enumerate(methods):
                chance = 1 / (1 + (0.7 * (1 + 0.15 * rank) / diameter) ** 5)
                rows.append(
                    {
                        "subject": f"{i + 1:02d}",
                        "method": method,
                        "tube": number + 1,
                        "diameter_mm": diameter,
                        "length_mm": 8.0,
                        "volume_mm3": 8 * np.pi * diameter**2 / 4,
                        "voxel_mm": (0.8, 1.0)[i % 2],
                        "snr": (14.0, 26.0, np.nan)[i % 3],
                        "coverage": chance,
                        "detected": float(rng.random() < chance),
                    }
                )
    return _frame("tubes", rows)
