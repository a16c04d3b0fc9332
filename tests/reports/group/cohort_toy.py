"""A made-up cohort for the tests of its page, and for looking: no infant is real."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from bgpvs_wf.cohort.advice import Reason
from bgpvs_wf.reports.group.rows import Column, Row

_RESULTS = (
    ("bg_volume_mm3", "Basal ganglia", "mm³", 9000.0, 170.0, 900.0),
    ("pvs_volume_tube_mm3", "PVS volume", "mm³", 4.0, 0.4, 5.0),
    ("pvs_count", "PVS count", "", 4.0, 0.25, 3.0),
    ("pvs_fraction_tube", "PVS share", "%", 0.03, 0.001, 0.02),
)
"""Name, label, unit, value at term, what a week adds, and how far infants differ."""
_QUALITY = (
    "Contrast of nuclei", "Noise", "Sharpness", "Fit of atlas", "Edges T1w to T2w", "Symmetry",
    "Found again", "Model's doubt", "Motion stripes", "Bias left",
)  # fmt: skip


def toy_columns(n: int = 14) -> list[Column]:
    """Return the columns of results, and so many of quality that there are `n`."""
    results = [
        Column(name, label, f"{label} of both sides.", unit, section="results")
        for name, label, unit, *_ in _RESULTS
    ]
    quality = [
        Column(
            f"quality_{at}",
            _QUALITY[at] if at < len(_QUALITY) else f"Measure {at + 1}",
            "Made up for the tests.",
            shown=at < 6,
        )
        for at in range(n - len(results))
    ]
    return [*results, *quality]


def toy_rows(n: int = 12, *, columns: int = 14, seed: int = 5, pictures: bool = True) -> list[Row]:
    """Return `n` infants, some of whom are doubtful; every tenth has no age, some have no value."""
    rng = np.random.default_rng(seed)
    names = [column.name for column in toy_columns(columns)]
    rows = []
    for at in range(n):
        age = float(rng.uniform(38, 110))
        values: dict[str, float | None] = {}
        for name, _, _, start, weekly, spread in _RESULTS:
            values[name] = max(start + weekly * (age - 40) + spread * float(rng.normal()), 0)
        values["pvs_count"] = float(np.round(values["pvs_count"] or 0))
        reasons = []
        for name in names[len(_RESULTS) :]:
            values[name] = 1 + 0.1 * float(rng.normal())
            chance = rng.uniform()
            if chance < 0.02:
                values[name] = float(rng.choice([0.3, 1.9]))
                label = next(c.label for c in toy_columns(columns) if c.name == name)
                reasons.append(Reason(f"{label} is far from that of the others.", name))
            elif chance > 0.98:
                values[name] = None
        if rng.uniform() < 0.04:
            reasons.append(Reason("There was no T1w, so the atlas was fitted to the T2w alone."))
        label = f"sub-{at + 1:03d}" + (f"_ses-{'3m' if at % 2 else '6m'}" if at % 3 else "")
        rows.append(
            Row(
                label=label,
                age_weeks=None if at % 10 == 9 else age,
                advice=("good", "look", "bad")[min(len(reasons), 2)],
                values=values,
                reasons=tuple(reasons),
                page=f"{label}.html",
                viewer=f"{label}_3d.html" if at % 4 else "",
                figure=f"figures/{label}.svg" if pictures else "",
                thumbnail=toy_thumbnail(rng) if pictures else b"",
            )
        )
    return rows


def toy_thumbnail(rng: np.random.Generator, size: tuple[int, int] = (132, 104)) -> bytes:
    """Return a JPEG of something like a slice: a grey head with two coloured outlines."""
    from PIL import Image, ImageDraw

    grain = rng.integers(60, 120, (size[1], size[0]), dtype=np.uint8)
    image = Image.fromarray(grain).convert("RGB")
    draw = ImageDraw.Draw(image)
    for colour, left in (("#56b4e9", 30), ("#d55e00", 74)):
        top = 30 + int(rng.integers(-6, 6))
        draw.ellipse((left, top, left + 28, top + 46), outline=colour, width=2)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def write_figures(rows: list[Row], folder: Path) -> None:
    """Write the pictures that rows name: six slices with outlines each."""
    for row in rows:
        if row.figure:
            path = folder / row.figure
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_figure(row.label), encoding="utf-8")


def _figure(label: str) -> str:
    tiles = "".join(
        f'<g transform="translate({200 * (at % 3)} {160 * (at // 3)})">'
        '<rect width="196" height="156" fill="#222"/><ellipse cx="98" cy="78" rx="80" ry="70" '
        'fill="#777"/><ellipse cx="70" cy="76" rx="18" ry="34" fill="none" stroke="#d55e00"/>'
        '<ellipse cx="126" cy="76" rx="18" ry="34" fill="none" stroke="#56b4e9"/>'
        f'<text x="6" y="16" fill="#fff" font-size="12">{label} {at + 1}</text></g>'
        for at in range(6)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 596 316">{tiles}</svg>'
