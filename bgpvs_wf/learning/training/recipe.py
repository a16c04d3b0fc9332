"""`Recipe`: what a model is trained on and how, read from a TOML file."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.config import PSEUDOLABEL_STRATEGIES, RunConfig, merge
from bgpvs_wf.errors import UsageError
from bgpvs_wf.evaluation.infants import (
    Cohort,
    HybridInfants,
    Infants,
    SyntheticInfants,
    check_names,
    read_cohort,
    table,
    whole_path,
)
from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.nets.architectures import GROUPS
from bgpvs_wf.learning.training.loop import TrainingConfig
from bgpvs_wf.learning.training.recipe_tables import CoarseConfig, FineConfig, HeadConfig, PVSConfig
from bgpvs_wf.settings import (
    HELD_OUT,
    SEED,
    Settings,
    build_settings,
    check_number,
    limited,
)
from bgpvs_wf.settings_files import read_file

GIVEN = "given"
"""Labels that are there, drawn by hand or known from the making of an infant."""
LABELS = (GIVEN, *PSEUDOLABEL_STRATEGIES)
"""Where the labels of a cohort come from: given, or a strategy of pseudo-labels."""
STRATEGIES: Mapping[str, str] = {
    "manual": GIVEN,
    "filter": "filter",
    "anatomy": "anatomy",
    "joint": "anatomy",
}
"""Name to the labels that are learnt, unless a cohort says otherwise. `joint` is one network for
nuclei and PVS on the scan's own grid, which `[fine]` describes."""

_LEAST_PATCH = 4
_PAINTED_HEADS = 0.6
"""`contrast` of the coarse network, which learns a few real heads by heart otherwise (chosen; see
docs/decisions/models-left-out.md)."""


@dataclass(frozen=True)
class TrainingCohort:
    """A cohort to learn from."""

    cohort: Cohort
    labels: str
    """One of `LABELS`."""
    held_out: float
    """Share of the cases that is kept for validation."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a model is trained on, and how; `read_recipe` makes one."""

    name: str
    strategy: str
    seed: int
    cohorts: tuple[TrainingCohort, ...]
    head: HeadConfig
    coarse: CoarseConfig
    fine: FineConfig
    pvs: PVSConfig
    training: TrainingConfig
    augmentation: AugmentationConfig
    coarse_augmentation: AugmentationConfig
    """The same of what the coarse network learns from."""
    settings: Mapping[str, Any]
    """Of runs that prepare images and make pseudo-labels."""
    caution: str = ""
    """See `bgpvs_wf.learning.models.bundle.Model`."""

    def run_settings(self, cohort: TrainingCohort) -> dict[str, Any]:
        """Return the settings of the run that makes a cohort's cases."""
        source = "derivatives" if cohort.cohort.nuclei_given else "auto"
        settings = merge(
            {"segmentation": "pseudolabel", "anatomy": {"source": source}}, self.settings
        )
        settings = merge(settings, cohort.cohort.settings)
        return merge(settings, _strategy_of(cohort.labels))


def _strategy_of(labels: str) -> dict[str, Any]:
    return {} if labels == GIVEN else {"pseudolabel": {"strategy": labels}}


@dataclass(frozen=True, kw_only=True)
class RecipeFile(Settings):
    """The tables of the file of a recipe."""

    name: str
    strategy: str = limited(choices=tuple(STRATEGIES))
    cohorts: Mapping[str, Any]
    seed: int = limited(1, **SEED)
    held_out: float = limited(0.1, **HELD_OUT)
    caution: str = ""
    head: Mapping[str, Any] = field(default_factory=dict)
    coarse: Mapping[str, Any] = field(default_factory=dict)
    fine: Mapping[str, Any] = field(default_factory=dict)
    pvs: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : path-like
        TOML: `name`, `strategy`, `seed`, `held_out`, `caution`; `[cohorts.NAME]` as in an
        experiment (see `bgpvs_wf.evaluation.infants.read_cohort`), each with `labels` if they are
        not the strategy's, and its own `held_out`; `[head]`, `[coarse]`, `[fine]`, `[pvs]` as in
        `bgpvs_wf.learning.training.recipe_tables`; `[training]`, `[augmentation]`;
        `[coarse.augmentation]` with what is otherwise for the coarse network; `[run.STAGE]` with
        settings of `RunConfig`.

    Raises
    ------
    UsageError
        One line: the file, the setting, and what to do.
    """
    return read_file(path, _recipe)


def _recipe(content: Mapping[str, Any], folder: Path) -> Recipe:
    file: RecipeFile = build_settings(RecipeFile, content)
    check_names("cohorts", file.cohorts)
    coarse = dict(file.coarse)
    heads = table("coarse.augmentation", coarse.pop("augmentation", {}))
    heads = {"contrast": _PAINTED_HEADS, **file.augmentation, **heads}
    recipe = Recipe(
        name=file.name,
        strategy=file.strategy,
        seed=file.seed,
        cohorts=tuple(
            _cohort(name, values, folder, STRATEGIES[file.strategy], file.held_out)
            for name, values in file.cohorts.items()
        ),
        head=_head(file.head, folder),
        coarse=build_settings(CoarseConfig, coarse, "coarse."),
        fine=build_settings(FineConfig, file.fine, "fine."),
        pvs=build_settings(PVSConfig, file.pvs, "pvs."),
        training=_training(file.training),
        augmentation=build_settings(AugmentationConfig, file.augmentation, "augmentation."),
        coarse_augmentation=build_settings(AugmentationConfig, heads, "coarse.augmentation."),
        settings=file.run,
        caution=file.caution,
    )
    check_recipe(recipe)
    return recipe


def _head(values: Mapping[str, Any], folder: Path) -> HeadConfig:
    config: HeadConfig = build_settings(HeadConfig, values, "head.")
    if config.maps:
        maps = str(whole_path("head.maps", config.maps, folder))
        config = dataclasses.replace(config, maps=maps)
    return config


def _training(values: Mapping[str, Any]) -> TrainingConfig:
    if "steps" in values:
        raise UsageError(
            "training.steps is not used; give coarse.steps, fine.steps, pvs.steps, head.steps."
        )
    config: TrainingConfig = build_settings(TrainingConfig, values, "training.")
    return config


def _cohort(
    name: str, values: Any, folder: Path, default: str, default_held_out: float
) -> TrainingCohort:
    values = dict(table(f"cohorts.{name}", values))
    labels = values.pop("labels", default)
    held_out = values.pop("held_out", default_held_out)
    held_out = check_number(held_out, f"cohorts.{name}.held_out", **HELD_OUT)
    if labels not in LABELS:
        raise UsageError(f"cohorts.{name}.labels is {labels!r}; choose one of {', '.join(LABELS)}.")
    cohort = read_cohort(name, values, folder)
    if labels == GIVEN and getattr(cohort.infants, "truth", cohort) is None:
        raise UsageError(f"cohorts.{name}.truth is missing; say where the given labels are.")
    return TrainingCohort(cohort, labels, held_out)


def check_recipe(recipe: Recipe) -> None:
    """Refuse settings that do not go together, and such as no run can have.

    Raises
    ------
    UsageError
        Names the setting.
    """
    for name, part in (("fine", recipe.fine), ("pvs", recipe.pvs)):
        if not part.start:
            check_number(part.steps, f"{name}.steps", whole=True, at_least=1)
    _check_head(recipe.head)
    if recipe.strategy == "joint":
        _check_joint(recipe)
    if recipe.coarse.model and recipe.coarse.start:
        raise UsageError("coarse.start is not used with coarse.model; give one of the two.")
    for name in ("head", "coarse", "fine"):
        filters = getattr(recipe, name).filters
        # The networks' windows can be halved four times.
        if not 3 <= len(filters) <= 5 or min(filters) < 1:
            raise UsageError(f"{name}.filters is {list(filters)}; give three to five numbers.")
    if not recipe.pvs.filters or min(recipe.pvs.filters) < 1 or len(set(recipe.pvs.filters)) > 1:
        raise UsageError(
            f"pvs.filters is {list(recipe.pvs.filters)}; give a number for each convolution, all "
            "the same."
        )
    if len(recipe.pvs.patch) != 3 or min(recipe.pvs.patch) < _LEAST_PATCH:
        raise UsageError(
            f"pvs.patch is {list(recipe.pvs.patch)}; give three numbers from {_LEAST_PATCH} up."
        )
    depth = 2 ** (len(recipe.fine.filters) - 1)
    if len(recipe.fine.patch) != 3 or any(n < 2 * depth or n % depth for n in recipe.fine.patch):
        raise UsageError(
            f"fine.patch is {list(recipe.fine.patch)}; give three multiples of {depth} from "
            f"{2 * depth} up, since a network with {len(recipe.fine.filters)} filters halves it."
        )
    for cohort in recipe.cohorts:
        try:
            settings = recipe.run_settings(cohort)
            RunConfig.check_part(settings)
        except UsageError as error:
            raise UsageError(f"run, or cohorts.{cohort.cohort.name}.run: {error}") from error


def _check_head(head: HeadConfig) -> None:
    if head.model and head.start:
        raise UsageError("head.start is not used with head.model; give one of the two.")
    if head.model and head.maps:
        raise UsageError("head.maps is not used with head.model; give one of the two.")
    for name in ("start", "without"):
        if not head.maps and getattr(head, name):
            raise UsageError(f"head.{name} is not used without head.maps; give head.maps, too.")


def _check_joint(recipe: Recipe) -> None:
    if recipe.pvs != PVSConfig():
        raise UsageError(
            "pvs is not used with the strategy joint, whose network is that of fine; leave it out."
        )
    if any(count % GROUPS for count in recipe.fine.filters):
        raise UsageError(
            f"fine.filters is {list(recipe.fine.filters)}; give multiples of {GROUPS} with the "
            "strategy joint."
        )


def to_mapping(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain values, for a model's record of how it was made."""
    values: dict[str, Any] = {
        "name": recipe.name,
        "strategy": recipe.strategy,
        "seed": recipe.seed,
        "caution": recipe.caution,
        "cohorts": {
            one.cohort.name: {
                "labels": one.labels,
                "held_out": one.held_out,
                "infants": describe_infants(one.cohort.infants),
                "settings": dict(one.cohort.settings),
            }
            for one in recipe.cohorts
        },
        "run": dict(recipe.settings),
    }
    for name in ("head", "coarse", "fine", "pvs", "training", "augmentation"):
        values[name] = dataclasses.asdict(getattr(recipe, name))
    values["head"]["maps"] = Path(recipe.head.maps).name
    values["coarse"]["augmentation"] = dataclasses.asdict(recipe.coarse_augmentation)
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def describe_infants(infants: Infants) -> str:
    """Return a line that says what infants a cohort has; no paths of this machine.

    Examples
    --------
    >>> from bgpvs_wf.evaluation.infants import SyntheticInfants
    >>> describe_infants(SyntheticInfants(preset="dhcp", subjects=3, ages=("40w", "1m"), seed=1))
    '3 synthetic infants, protocol dhcp, ages 40w 1m, seed 1'
    """
    if isinstance(infants, SyntheticInfants):
        preset = Path(infants.preset).stem
        ages = " ".join(infants.ages)
        drawn = "" if infants.maps is None else f" from label maps of {infants.maps.name}"
        return (
            f"{infants.subjects} synthetic infants{drawn}, protocol {preset}, ages {ages}, "
            f"seed {infants.seed}"
        )
    if isinstance(infants, HybridInfants):
        return (
            f"known tubes in real scans of {infants.onto.name}, {infants.cases} cases a scan, "
            f"seed {infants.seed}"
        )
    return f"scans of {infants.bids_dir.name}"
