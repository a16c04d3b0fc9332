"""Cohorts of infants that are drawn, made from real scans, or there already; read from TOML."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.anatomy.matching import parse_age
from bgpvs_wf.errors import AgeError, UsageError
from bgpvs_wf.paths import check_path
from bgpvs_wf.phantom.fill import FILL
from bgpvs_wf.settings import COUNT, SEED, Settings, build_settings, check_rising, limited

ATLAS, TRUTH, REFERENCE = "atlas", "truth", "reference"
"""Where the nuclei come from: the pipeline finds them, or they are given, from the truth or from
the derivatives of the cohort."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class SyntheticInfants(Settings):
    """Drawn infants; see `bgpvs_wf.phantom.simulate_dataset`."""

    preset: str
    """Name of a protocol, or the path of its TOML file."""
    subjects: int = limited(**COUNT)
    ages: tuple[str, ...]
    """Such as 40w or 3m, taken in turn."""
    seed: int = limited(**SEED)
    fill: tuple[float, float] = limited(FILL, at_least=0.0, at_most=1.0, items=(2, 2))
    """Least and largest signal of tubes, on its way from tissue to fluid; see
    `bgpvs_wf.phantom.trees.draw_pvs`."""
    maps: Path | None = None
    """A folder of label maps of whole heads to take the anatomy from, instead of drawing it."""
    map_names: tuple[str, ...] = ()
    """Of the files to take, without endings; none means all."""
    anatomy_from: str = ATLAS


@dataclass(frozen=True, kw_only=True)
class HybridInfants(Settings):
    """Known tubes in real scans; see `bgpvs_wf.phantom.hybrid_dataset`."""

    onto: Path
    """The BIDS dataset of the scans."""
    derivatives: Mapping[str, Path]
    """Name to folder: where the nuclei of the scans are."""
    cases: int = limited(**COUNT)
    """Of each scan."""
    seed: int = limited(**SEED)
    diameters_mm: tuple[float, float] | None = limited(None, above=0.0, at_most=5.0, items=(2, 2))
    """Least and largest diameter of tubes, drawn evenly; none means as infants' are."""
    fill: tuple[float, float] = limited(FILL, at_least=0.0, at_most=1.0, items=(2, 2))
    participants: tuple[str, ...] = ()
    """Labels; none means all."""
    anatomy_from: str = ATLAS


@dataclass(frozen=True, kw_only=True)
class OwnInfants(Settings):
    """An existing dataset."""

    bids_dir: Path
    truth: Path | None = None
    """As `bgpvs_wf.evaluation.evaluate` takes it; needed wherever results are scored."""
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    anatomy_from: str = ATLAS


Infants = SyntheticInfants | HybridInfants | OwnInfants
_KINDS: dict[str, tuple[type, tuple[str, ...]]] = {
    "preset": (SyntheticInfants, (ATLAS, TRUTH)),
    "onto": (HybridInfants, (ATLAS, REFERENCE)),
    "bids_dir": (OwnInfants, (ATLAS, TRUTH, REFERENCE)),
}
"""The key that tells a kind of cohort, the kind, and where its nuclei may come from."""


@dataclass(frozen=True)
class Cohort:
    """One of the cohorts of an experiment."""

    name: str
    infants: Infants
    settings: Mapping[str, Any]
    """Of runs of this cohort, over those of all."""

    @property
    def nuclei_given(self) -> bool:
        """Whether the strategies are told where the nuclei are."""
        return self.infants.anatomy_from != ATLAS


def check_names(what: str, names: Mapping[str, Any]) -> None:
    """Refuse an empty table, and names in it that cannot name a folder.

    Raises
    ------
    UsageError
    """
    if not names:
        raise UsageError(f"There are no {what}; add one as [{what}.NAME].")
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' of {what} cannot name a folder; use letters, digits, '.', '-' and '_'."
            )


def read_cohort(name: str, values: Any, folder: Path) -> Cohort:
    """Read a cohort from its table.

    Parameters
    ----------
    name : str
    values : mapping
        One of `preset` (synthetic infants), `onto` (known tubes in real scans) and `bids_dir` (an
        existing dataset) with the fields of its kind, and settings of runs as `run`.
    folder : Path
        What paths are relative to; ``${VAR}`` in them is an environment variable.

    Raises
    ------
    UsageError
        Names the setting, and says what to do.
    """
    where = f"cohorts.{name}"
    values = dict(table(where, values))
    settings = table(f"{where}.run", values.pop("run", {}))
    keys = [key for key in _KINDS if key in values]
    if len(keys) != 1:
        raise UsageError(
            f"{where} has {' and '.join(keys) or 'no infants'}; give one of {', '.join(_KINDS)}."
        )
    kind, sources = _KINDS[keys[0]]
    infants = build_settings(kind, values, prefix=f"{where}.")
    if infants.anatomy_from not in sources:
        raise UsageError(
            f"{where}.anatomy_from is '{infants.anatomy_from}'; choose one of {', '.join(sources)}."
        )
    _check_sources(where, infants)
    return Cohort(name, _located(where, infants, folder), settings)


def _check_sources(where: str, infants: Infants) -> None:
    for name in ("fill", "diameters_mm"):
        ends = getattr(infants, name, None)
        if ends is not None:
            check_rising(ends, f"{where}.{name}")
    if isinstance(infants, SyntheticInfants):
        if not infants.ages:
            raise UsageError(f"{where}.ages is empty; give one or more, such as '40w' or '3m'.")
        try:
            for age in infants.ages:
                parse_age(age)
        except AgeError as error:
            raise UsageError(f"{where}.ages: {error}") from error
    elif infants.anatomy_from == TRUTH and getattr(infants, "truth", None) is None:
        raise UsageError(f"{where}.truth is missing; say where the nuclei are.")
    elif infants.anatomy_from == REFERENCE and not infants.derivatives:
        raise UsageError(f"{where}.derivatives is empty; say where the nuclei are.")


def _located(where: str, infants: Infants, folder: Path) -> Infants:
    """Return the cohort with whole paths."""
    changes: dict[str, Any] = {}
    for name in ("onto", "bids_dir", "truth", "maps"):
        if getattr(infants, name, None) is not None:
            changes[name] = whole_path(f"{where}.{name}", getattr(infants, name), folder)
    if isinstance(infants, SyntheticInfants):
        if infants.preset.endswith(".toml"):
            changes["preset"] = str(whole_path(f"{where}.preset", infants.preset, folder))
    else:
        changes["derivatives"] = {
            name: whole_path(f"{where}.derivatives.{name}", path, folder)
            for name, path in infants.derivatives.items()
        }
    return dataclasses.replace(infants, **changes)


def whole_path(where: str, value: Any, folder: Path) -> Path:
    """Return a path that is relative to a folder, and may name environment variables, as a whole.

    Raises
    ------
    UsageError
        If it is no path, or a variable is not set.
    """
    if not isinstance(value, (str, Path)):
        raise UsageError(f"{where} is {value!r}, which is no path; give one.")

    def of(variable: re.Match[str]) -> str:
        found = os.environ.get(variable[1])
        if not found:
            raise UsageError(
                f"{where} needs the environment variable {variable[1]}, which is not set; "
                f"set it: export {variable[1]}=FOLDER."
            )
        return found

    return Path(os.path.normpath(folder / check_path(_VARIABLE.sub(of, str(value)), where)))


def table(where: str, value: Any) -> Mapping[str, Any]:
    """Return a value that has to be a table.

    Raises
    ------
    UsageError
        If it is none.
    """
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} must be a table of settings, not {value!r}.")
    return value
