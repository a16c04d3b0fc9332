"""Norms as a JSON file that people can read, and that holds no infant."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bgpvs_wf.cohort.growth.curve import CENTILES, LAWS, Curve, Line
from bgpvs_wf.cohort.growth.fitting import RESAMPLES
from bgpvs_wf.cohort.growth.measures import Measure
from bgpvs_wf.cohort.growth.norms import MeasureCurves, Norms
from bgpvs_wf.errors import UsageError
from bgpvs_wf.json_shapes import check_shape, shown
from bgpvs_wf.reading import load_json, why_not

SCHEMA = 1
"""Rises when older programs could not read it."""
_NAME = "Norms of bgpvs-wf"
_METHOD = {
    "box-cox": "LMS method (Cole and Green 1992, doi 10.1002/sim.4780111005): power L, median M, "
    "relative spread S; a share `zero` has none",
    "count": "Negative binomial: mean, and dispersion = (variance - mean) / mean^2; a centile "
    "counts half of those with the same number",
    "curves": "M and mean: natural cubic splines of the logarithm of age; S, dispersion, zero: "
    "lines; straight over the logarithm of age between the ages given here",
    "intervals": f"95 %, percentile bootstrap over infants, {RESAMPLES} times",
}
_NUMBERS = re.compile(r"\[[-+0-9.e,\s]*\]")
_CURVE = {
    "Subjects": int, "Scans": int, "AgesCovered": [[float, float], ...], "Ages": [float, ...],
    "Parameters": {str: [float, ...]},
    "Centiles": {str: {"Values": [float, ...], "Low": [float, ...], "High": [float, ...]}},
    "Misfit": str,
}  # fmt: skip
_MEASURE = {
    "Label": str, "Region": str, "Column": str, "Units": str, "Law": str,
    "Curves": dict, "Missing": dict,
}  # fmt: skip
_SHAPE = {
    "Name": str, "SchemaVersion": int, "GeneratedBy": {"Name": str, "Version": str},
    "Dataset": str, "By": (str, None), "Seed": int, "VoxelsMM3": list, "Measures": dict,
}  # fmt: skip


def write_norms(norms: Norms, path: str | os.PathLike[str]) -> Path:
    """Write norms; the file appears whole or not at all.

    Raises
    ------
    BGPVSError
        If it cannot be written.
    """
    from bgpvs_wf.imaging.files import write_text

    content = {
        "Name": _NAME,
        "SchemaVersion": SCHEMA,
        "GeneratedBy": {"Name": "bgpvs-wf", "Version": norms.version},
        "Dataset": norms.dataset,
        "By": norms.by,
        "Seed": norms.seed,
        "AgeUnits": "weeks, post-menstrual",
        "Method": _METHOD,
        "VoxelsMM3": [{"Volume": size, "Scans": count} for size, count in norms.voxels_mm3],
        "Measures": {one.measure.name: _from_measure(one) for one in norms.measures},
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # A line for each list of numbers, not for each number.
    text = _NUMBERS.sub(lambda found: " ".join(found[0].split()), text)
    return write_text(f"{text}\n", path)


def read_norms(path: str | os.PathLike[str]) -> Norms:
    """Read norms again, exactly as they were.

    Raises
    ------
    UsageError
        If it cannot be read, or is no such file; names the part that is wrong.
    """
    try:
        content = load_json(path)
        return _to_norms(content)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} holds no norms: {why_not(error, path)}; make them with bgpvs-wf norms."
        ) from error


def _from_measure(one: MeasureCurves) -> dict[str, Any]:
    measure = one.measure
    return {
        "Label": measure.label,
        "Region": measure.region,
        "Column": measure.column,
        "Units": measure.unit,
        "Law": measure.law,
        "Curves": {level: _from_curve(curve) for level, curve in one.curves.items()},
        "Missing": dict(one.missing),
    }


def _from_curve(curve: Curve) -> dict[str, Any]:
    return {
        "Subjects": curve.subjects,
        "Scans": curve.scans,
        "AgesCovered": [list(span) for span in curve.spans],
        "Misfit": curve.misfit,
        "Ages": list(curve.ages),
        "Parameters": {name: list(values) for name, values in curve.parameters.items()},
        "Centiles": {
            str(centile): {
                "Values": list(line.values), "Low": list(line.low), "High": list(line.high)
            }
            for centile, line in curve.lines.items()
        },
    }  # fmt: skip


def _to_norms(content: Any) -> Norms:
    if not isinstance(content, dict) or content.get("Name") != _NAME:
        raise ValueError("it is not what `bgpvs-wf norms` writes")
    check_shape(content, _SHAPE)
    if content["SchemaVersion"] != SCHEMA:
        raise ValueError(
            f"'SchemaVersion' is {content['SchemaVersion']}, and this program reads {SCHEMA}; make "
            "them again"
        )
    check_shape(content["VoxelsMM3"], [{"Volume": float, "Scans": int}, ...], "VoxelsMM3")
    voxels = tuple((float(one["Volume"]), one["Scans"]) for one in content["VoxelsMM3"])
    if any(size <= 0 for size, _ in voxels):
        raise ValueError("'VoxelsMM3' has a volume that is not above 0")
    measures = tuple(_to_measure(name, one) for name, one in content["Measures"].items())
    if not any(one.curves for one in measures):
        raise ValueError("'Measures' has no curve")
    version = content["GeneratedBy"]["Version"]
    return Norms(
        content["Dataset"], content["By"], content["Seed"], voxels, measures, version
    )  # fmt: skip


def _to_measure(name: str, content: Any) -> MeasureCurves:
    where = f"Measures.{name}"
    check_shape(content, _MEASURE, where)
    check_shape(content["Missing"], {str: str}, f"{where}.Missing")
    if content["Law"] not in LAWS:
        raise ValueError(f"'{where}.Law' is {shown(content['Law'])}, not {' or '.join(LAWS)}")
    words = (content[key] for key in ("Label", "Region", "Column", "Units", "Law"))
    curves = {
        level: _to_curve(one, content["Law"], f"{where}.Curves.{level}")
        for level, one in content["Curves"].items()
    }
    return MeasureCurves(Measure(name, *words), curves, content["Missing"])


def _to_curve(content: Any, law: str, where: str) -> Curve:
    check_shape(content, _CURVE, where)
    ages = _numbers(content["Ages"])
    parameters = {name: _numbers(values) for name, values in content["Parameters"].items()}
    lines = {
        _centile(name, where): Line(*(_numbers(one[part]) for part in ("Values", "Low", "High")))
        for name, one in content["Centiles"].items()
    }
    _check_curve(ages, parameters, lines, law, where)
    spans = tuple((float(low), float(high)) for low, high in content["AgesCovered"])
    counts = (content["Subjects"], content["Scans"])
    return Curve(law, *counts, spans, ages, parameters, lines, content["Misfit"])


def _numbers(values: list[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _centile(name: str, where: str) -> int:
    if name not in map(str, CENTILES):
        raise ValueError(f"'{where}.Centiles' has {shown(name)}, not one of {CENTILES}")
    return int(name)


def _check_curve(
    ages: tuple[float, ...],
    parameters: Mapping[str, tuple[float, ...]],
    lines: Mapping[int, Line],
    law: str,
    where: str,
) -> None:
    """Make sure that a curve can be counted on: nothing is missing, and nothing impossible."""
    if not ages or ages[0] <= 0 or np.any(np.diff(ages) <= 0):
        raise ValueError(f"'{where}.Ages' do not rise from above 0")
    if set(parameters) != set(LAWS[law].PARAMETERS):
        names = ", ".join(LAWS[law].PARAMETERS)
        raise ValueError(f"'{where}.Parameters' are not {names}")
    if not lines:
        raise ValueError(f"'{where}.Centiles' is empty")
    parts = [*parameters.values(), *(part for one in lines.values() for part in vars(one).values())]
    if any(len(part) != len(ages) for part in parts):
        raise ValueError(f"'{where}' does not have as many values as ages everywhere")
    for name, values in parameters.items():
        bounds = {"L": (-10, 10), "zero": (0, 1)}.get(name, (1e-300, 1e300))
        if min(values) < bounds[0] or max(values) > bounds[1]:
            raise ValueError(f"'{where}.Parameters.{name}' has a value that cannot be")
