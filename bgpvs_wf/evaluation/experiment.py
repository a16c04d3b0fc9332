"""`Experiment`: which labelling strategies are compared on which cohorts, read from a TOML file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig, merge
from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.infants import (
    Cohort,
    OwnInfants,
    check_names,
    read_cohort,
    table,
    whole_path,
)
from bgpvs_wf.settings import SEED, Settings, build_settings, limited
from bgpvs_wf.settings_files import read_file

_FOLDERS = ("bids", "evaluation", "source")
"""Names in the folder of a cohort that no strategy can have."""
_SET_HERE = (
    *("bids_dir", "output_dir", "work_dir", "derivatives", "analysis_level"),
    *("participant_label", "session_id", "bids_filter_file"),
    *("plugin", "plugin_args", "nprocs", "omp_nthreads", "memory_gb"),
)
"""Settings of a run that are the cohort's or the command line's."""


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
        written = merge(merge(self.settings, cohort.settings), self.strategies[strategy])
        with_model = written.get("segmentation", RunConfig.segmentation) != "pseudolabel"
        # A model finds the nuclei itself.
        found = "auto" if with_model else "atlas"
        source = "derivatives" if cohort.nuclei_given else found
        settings = merge(self.settings, {"anatomy": {"source": source}})
        settings = merge(settings, cohort.settings)
        return merge(settings, self.strategies[strategy])


@dataclass(frozen=True, kw_only=True)
class ExperimentFile(Settings):
    """The tables of the file of an experiment."""

    proposed: str
    cohorts: Mapping[str, Any]
    strategies: Mapping[str, Any]
    run: Mapping[str, Any] = field(default_factory=dict)
    seed: int = limited(0, **SEED)


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
    return read_file(path, _experiment)


def _experiment(content: Mapping[str, Any], folder: Path) -> Experiment:
    file: ExperimentFile = build_settings(ExperimentFile, content)
    check_names("strategies", file.strategies)
    for name in file.strategies:
        if name in _FOLDERS:
            raise UsageError(f"No strategy can be called '{name}'; choose another name.")
    check_names("cohorts", file.cohorts)
    if file.proposed not in file.strategies:
        raise UsageError(
            f"The proposed strategy '{file.proposed}' is none of {', '.join(file.strategies)}; "
            "give one of these names."
        )
    strategies = {name: table(f"strategies.{name}", v) for name, v in file.strategies.items()}
    cohorts = tuple(read_cohort(name, values, folder) for name, values in file.cohorts.items())
    for cohort in cohorts:
        if isinstance(cohort.infants, OwnInfants) and cohort.infants.truth is None:
            raise UsageError(f"Missing setting: cohorts.{cohort.name}.truth; add it.")
    first = {file.proposed: strategies[file.proposed]}
    experiment = Experiment(
        proposed=file.proposed,
        seed=file.seed,
        cohorts=cohorts,
        strategies=first | strategies,
        settings=file.run,
    )
    _check_settings(experiment)
    return dataclasses.replace(
        experiment,
        strategies={
            name: _located(f"strategies.{name}", settings, folder)
            for name, settings in experiment.strategies.items()
        },
        settings=_located("run", experiment.settings, folder),
    )


def _located(where: str, settings: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Return settings whose model, where it is a path and no name, is a whole one."""
    model = settings.get("predict", {}).get("model", "")
    if os.sep not in model:
        return settings
    path = str(whole_path(f"{where}.predict.model", model, folder))
    return merge(settings, {"predict": {"model": path}})


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
            RunConfig.check_part(settings)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error
