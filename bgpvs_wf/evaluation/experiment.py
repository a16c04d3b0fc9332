"""`Experiment`: which labelling strategies are compared on which cohorts, read from a TOML file."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.anatomy.matching import parse_age
from bgpvs_wf.config import RunConfig, build_settings, merge, read_toml
from bgpvs_wf.errors import AgeError, UsageError

ATLAS, TRUTH, REFERENCE = "atlas", "truth", "reference"
"""Where the nuclei come from: the pipeline finds them, or they are given, from the truth or from
the derivatives of the cohort."""
_FOLDERS = ("bids", "evaluation", "source")
"""Names in the folder of a cohort that no strategy can have."""
_SET_HERE = (
    *("bids_dir", "output_dir", "work_dir", "derivatives", "analysis_level"),
    *("participant_label", "session_id", "bids_filter_file"),
    *("plugin", "plugin_args", "nprocs", "omp_nthreads", "memory_gb"),
)
"""Settings of a run that are the cohort's or the command line's."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class SyntheticInfants:
    """Drawn infants; see `bgpvs_wf.phantom.simulate_dataset`."""

    preset: str
    """Name of a protocol, or the path of its TOML file."""
    subjects: int
    ages: tuple[str, ...]
    """Such as 40w or 3m, taken in turn."""
    seed: int
    anatomy_from: str = ATLAS


@dataclass(frozen=True, kw_only=True)
class HybridInfants:
    """Known tubes in real scans; see `bgpvs_wf.phantom.hybrid_dataset`."""

    onto: Path
    """The BIDS dataset of the scans."""
    derivatives: Mapping[str, Path]
    """Name to folder: where the nuclei of the scans are."""
    cases: int
    """Of each scan."""
    seed: int
    participants: tuple[str, ...] = ()
    """Labels; none means all."""
    anatomy_from: str = ATLAS


@dataclass(frozen=True, kw_only=True)
class OwnInfants:
    """An existing dataset whose truth is known."""

    bids_dir: Path
    truth: Path
    """As `bgpvs_wf.evaluation.evaluate` takes it."""
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


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Strategies and cohorts; `read_experiment` makes one."""

    proposed: str
    """The strategy that the others are compared with; the first of `strategies`."""
    seed: int
    """Of the bootstrap."""
    cohorts: tuple[Cohort, ...]
    strategies: Mapping[str, Mapping[str, Any]]
    """Name to settings of `RunConfig`."""
    settings: Mapping[str, Any]
    """Of all runs."""

    def run_settings(self, cohort: Cohort, strategy: str) -> dict[str, Any]:
        """Return the settings of a run: those of all, then the cohort's, then the strategy's."""
        source = "derivatives" if cohort.nuclei_given else "atlas"
        settings = merge(self.settings, {"anatomy": {"source": source}})
        settings = merge(settings, cohort.settings)
        return merge(settings, self.strategies[strategy])


@dataclass(frozen=True, kw_only=True)
class _File:
    """The tables of the file."""

    proposed: str
    cohorts: Mapping[str, Any]
    strategies: Mapping[str, Any]
    run: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


def read_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment.

    Parameters
    ----------
    path : path-like
        TOML: `proposed`, `seed`, `[cohorts.NAME]` with one of `preset` (synthetic infants),
        `onto` (known tubes in real scans) and `bids_dir` (an existing dataset),
        `[strategies.NAME.STAGE]` and `[run.STAGE]` with settings of `RunConfig`; a cohort may have
        its own `[cohorts.NAME.run.STAGE]`. Paths are relative to the file, ``${VAR}`` in them is
        an environment variable.

    Raises
    ------
    UsageError
        One line: the file, the setting, and what to do.
    """
    content = read_toml(path)
    try:
        return _experiment(content, Path(path).absolute().parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _experiment(content: Mapping[str, Any], folder: Path) -> Experiment:
    file: _File = build_settings(_File, content)
    _check_names("strategies", file.strategies)
    _check_names("cohorts", file.cohorts)
    if file.proposed not in file.strategies:
        raise UsageError(
            f"The proposed strategy '{file.proposed}' is none of {', '.join(file.strategies)}; "
            "give one of these names."
        )
    if file.seed < 0:
        raise UsageError(f"seed is {file.seed}; give a number from 0 up.")
    strategies = {name: _table(f"strategies.{name}", v) for name, v in file.strategies.items()}
    first = {file.proposed: strategies[file.proposed]}
    experiment = Experiment(
        proposed=file.proposed,
        seed=file.seed,
        cohorts=tuple(_cohort(name, values, folder) for name, values in file.cohorts.items()),
        strategies=first | strategies,
        settings=file.run,
    )
    _check_settings(experiment)
    return experiment


def _check_names(what: str, names: Mapping[str, Any]) -> None:
    if not names:
        raise UsageError(f"There are no {what}; add one as [{what}.NAME].")
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' of {what} cannot name a folder; use letters, digits, '.', '-' and '_'."
            )
        if what == "strategies" and name in _FOLDERS:
            raise UsageError(f"No strategy can be called '{name}'; choose another name.")


def _cohort(name: str, values: Any, folder: Path) -> Cohort:
    where = f"cohorts.{name}"
    values = dict(_table(where, values))
    settings = _table(f"{where}.run", values.pop("run", {}))
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
    _check_numbers(where, infants)
    return Cohort(name, _located(where, infants, folder), settings)


def _check_numbers(where: str, infants: Infants) -> None:
    for name, least in (("subjects", 1), ("cases", 1), ("seed", 0)):
        value = getattr(infants, name, least)
        if value < least:
            raise UsageError(f"{where}.{name} is {value}; give {least} or more.")
    if isinstance(infants, SyntheticInfants):
        if not infants.ages:
            raise UsageError(f"{where}.ages is empty; give one or more, such as '40w' or '3m'.")
        try:
            for age in infants.ages:
                parse_age(age)
        except AgeError as error:
            raise UsageError(f"{where}.ages: {error}") from error
    elif infants.anatomy_from == REFERENCE and not infants.derivatives:
        raise UsageError(f"{where}.derivatives is empty; say where the nuclei are.")


def _located(where: str, infants: Infants, folder: Path) -> Infants:
    """Return the cohort with whole paths."""
    changes: dict[str, Any] = {}
    for name in ("onto", "bids_dir", "truth"):
        if hasattr(infants, name):
            changes[name] = _path(f"{where}.{name}", getattr(infants, name), folder)
    if isinstance(infants, SyntheticInfants):
        if infants.preset.endswith(".toml"):
            changes["preset"] = str(_path(f"{where}.preset", infants.preset, folder))
    else:
        changes["derivatives"] = {
            name: _path(f"{where}.derivatives.{name}", path, folder)
            for name, path in infants.derivatives.items()
        }
    return dataclasses.replace(infants, **changes)


def _path(where: str, value: Any, folder: Path) -> Path:
    if not isinstance(value, (str, Path)):
        raise UsageError(f"{where} is {value!r}, which is no path.")

    def of(variable: re.Match[str]) -> str:
        found = os.environ.get(variable[1])
        if not found:
            raise UsageError(
                f"{where} needs the environment variable {variable[1]}, which is not set; "
                f"set it: export {variable[1]}=FOLDER."
            )
        return found

    return Path(os.path.normpath(folder / Path(_VARIABLE.sub(of, str(value))).expanduser()))


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} must be a table of settings, not {value!r}.")
    return value


def _check_settings(experiment: Experiment) -> None:
    """Refuse settings that no run can have, where they are written."""
    tables: Sequence[tuple[str, Mapping[str, Any]]] = [
        ("run", experiment.settings),
        *((f"cohorts.{cohort.name}.run", cohort.settings) for cohort in experiment.cohorts),
        *((f"strategies.{name}", settings) for name, settings in experiment.strategies.items()),
    ]
    for where, settings in tables:
        for key in settings:
            if key in _SET_HERE:
                raise UsageError(
                    f"{where}.{key} cannot be set here; the cohort or the command line says it."
                )
        try:
            RunConfig.from_mapping({**settings, "bids_dir": "bids", "output_dir": "out"})
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
