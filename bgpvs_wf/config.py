"""`RunConfig`: everything a run needs to know, frozen, passed explicitly."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from bgpvs_wf.errors import UsageError
from bgpvs_wf.reading import load_toml, why_not
from bgpvs_wf.settings import (
    LARGEST_SEED,
    Settings,
    build_settings,
    check_path,
    choice,
    limited,
    rule,
)

T = TypeVar("T")

BOTH_LEVELS = ("participant", "group")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Settings):
    """Preprocessing: see `bgpvs_wf.workflows.prepare`."""

    section: ClassVar[str] = "prepare."

    denoise: bool = False
    """Run non-local means denoising before the bias correction."""
    bias_correction: bool = True
    """Run N4."""


@dataclass(frozen=True, kw_only=True)
class AnatomyConfig(Settings):
    """Where the nuclei come from: see `bgpvs_wf.workflows.anatomy`."""

    section: ClassVar[str] = "anatomy."

    source: str = choice("auto", "auto", "derivatives", "atlas")
    """`derivatives`, `atlas`, or `auto`: the model where there is one, for pseudo-labels
    derivatives where there are any, else atlas."""
    atlases: tuple[str, ...] = ()
    """Names or folders of the atlases to choose from; none means all that are known."""
    bg_region: str = choice("nuclei", "nuclei", "closed")
    """`nuclei`, or `closed`: nuclei closed by about 2 mm, taking in the capsule between them."""
    include_thalamus: bool = False
    """Count the thalamus as basal ganglia."""


@dataclass(frozen=True, kw_only=True)
class PseudolabelConfig(Settings):
    """The synthesis of pseudo-labels: see `bgpvs_wf.pseudolabels`."""

    section: ClassVar[str] = "pseudolabel."

    strategy: str = choice("anatomy", "anatomy", "vesselness", "filter")
    """`anatomy` (proposed), `vesselness` (the same without the rules of anatomy and shape) or
    `filter` (the published simple rule)."""
    scales_mm: tuple[float, ...] = limited(
        (0.3, 0.45, 0.65, 0.9), at_least=0.1, at_most=5.0, items=(1, 20)
    )
    """Gaussian standard deviations of the tube filter, mm."""
    false_discovery_rate: float = limited(0.1, above=0.0, below=1.0)
    """Accepted share of false tubes among seeds, estimated from tubes of opposite sign."""
    min_length_mm: float = limited(2.0, at_least=0.0)
    """Shorter candidates are refused."""
    rim_mm: float = limited(1.0, at_least=0.0, at_most=10.0)
    """Depth of the rim of the region in which candidates are suspect, mm."""
    min_elongation: float = limited(2.0, at_least=0.0)
    """Candidates less long for their width are refused as blobs; a ball has 1.2."""
    min_isolation: float = limited(0.4, at_least=0.0, at_most=1.0)
    """Least share of the mean fall of signal away from the axis that every direction must show;
    less is a sheet or an edge."""
    min_rim_isolation: float = limited(0.8, at_least=0.0, at_most=1.0)
    """The same for candidates that run along the rim."""
    min_rim_length_mm: float = limited(5.0, at_least=0.0)
    """Candidates along the rim that are shorter are refused as pockets of fluid on the surface."""
    min_contrast: float = limited(0.13, at_least=0.0, at_most=1.0)
    """Least signal over the tissue around, as a share of that of fluid in bulk."""


@dataclass(frozen=True, kw_only=True)
class PredictConfig(Settings):
    """Segmentation by a trained model: see `bgpvs_wf.learning.prediction`."""

    section: ClassVar[str] = "predict."

    model: str = ""
    """Name of a model in the box, or the folder of another; empty means the default in the box."""
    device: str = choice("auto", "auto", "cpu", "cuda")
    """`cpu`, `cuda`, or `auto` (a GPU where there is one)."""
    flips: bool = False
    """Average with what the mirror image gives; it takes twice the time."""


@dataclass(frozen=True, kw_only=True)
class QuantifyConfig(Settings):
    """Measures: see `bgpvs_wf.quantification`."""

    section: ClassVar[str] = "quantify."

    min_volume_mm3: float = limited(0.0, at_least=0.0, at_most=10_000.0)
    """Smaller perivascular spaces are left out of counts and volumes."""


_STAGES: dict[str, type] = {
    "prepare": PrepareConfig,
    "anatomy": AnatomyConfig,
    "pseudolabel": PseudolabelConfig,
    "predict": PredictConfig,
    "quantify": QuantifyConfig,
}


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """One run of the workflow.

    Raises
    ------
    UsageError
        If a value is of the wrong type, out of bounds, or not one of the choices.
    """

    bids_dir: Path
    output_dir: Path
    work_dir: Path = Path("work")
    analysis_level: str = choice("participant", "participant", "group")
    participant_label: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    bids_filter_file: Path | None = None
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    """Name to folder of existing derivatives (brain masks, dseg, restored images)."""
    plugin: str = "MultiProc"
    plugin_args: Mapping[str, Any] = field(default_factory=dict)
    nprocs: int = field(
        default_factory=lambda: os.cpu_count() or 1, metadata=rule(at_least=1, at_most=100_000)
    )
    omp_nthreads: int = limited(0, at_least=0, at_most=100_000)
    """Threads a node may use; 0 means `nprocs`, at most 8."""
    memory_gb: float = limited(0.0, at_least=0.0)
    """Memory all nodes together may use; 0 means nine tenths of the machine's."""
    random_seed: int = limited(20260101, at_least=0, at_most=LARGEST_SEED)
    stop_on_first_crash: bool = False
    clean: str = choice("never", "never", "done")
    """When a subject's part of the work folder is removed: `never`, or once it is `done`."""
    segmentation: str = choice("model", "model", "pseudolabel", "both")
    """`model` (a trained one), `pseudolabel`, or `both`: measured is what the model finds, and
    pseudo-labels are written as well."""
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    anatomy: AnatomyConfig = field(default_factory=AnatomyConfig)
    pseudolabel: PseudolabelConfig = field(default_factory=PseudolabelConfig)
    predict: PredictConfig = field(default_factory=PredictConfig)
    quantify: QuantifyConfig = field(default_factory=QuantifyConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("bids_dir", "output_dir", "work_dir", "bids_filter_file"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, value.absolute())
        derivatives = {name: path.absolute() for name, path in self.derivatives.items()}
        object.__setattr__(self, "derivatives", derivatives)
        if os.sep in self.predict.model:
            model = str(check_path(self.predict.model, "predict.model").absolute())
            object.__setattr__(self, "predict", dataclasses.replace(self.predict, model=model))

    @property
    def threads(self) -> int:
        """Threads a node may use."""
        return self.omp_nthreads or min(self.nprocs, 8)

    @property
    def has_model(self) -> bool:
        """Whether a model segments."""
        return self.segmentation != "pseudolabel"

    @property
    def has_pseudolabels(self) -> bool:
        """Whether pseudo-labels are made."""
        return self.segmentation != "model"

    @property
    def model_finds_nuclei(self) -> bool:
        """Whether the nuclei that are measured come from the model."""
        return self.has_model and self.anatomy.source == "auto"

    @property
    def needs_anatomy(self) -> bool:
        """Whether nuclei from derivatives or atlases are needed."""
        return self.has_pseudolabels or not self.model_finds_nuclei

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> RunConfig:
        """Build from a nested mapping, as `tomllib` reads it.

        Raises
        ------
        UsageError
            If a key is unknown, missing, or its value of the wrong type.

        Examples
        --------
        >>> RunConfig.from_mapping({"bids_dir": "/b", "output_dir": "/o", "nproc": 2})
        Traceback (most recent call last):
        bgpvs_wf.errors.UsageError: Unknown setting 'nproc'; did you mean 'nprocs'?
        """
        values = dict(mapping)
        for stage, kind in _STAGES.items():
            if stage in values:
                values[stage] = build_settings(kind, values[stage], prefix=f"{stage}.")
        return build_settings(cls, values, prefix="")

    def to_mapping(self) -> dict[str, Any]:
        """Return a nested mapping of plain values, without the unset ones."""
        return {
            key: _plain(value)
            for key, value in dataclasses.asdict(self).items()
            if value is not None
        }


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file, with a `UsageError` that says what is wrong with it."""
    try:
        return load_toml(path)
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {why_not(error, path)}.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {why_not(error, path)}.") from error


def read_file(path: str | os.PathLike[str], build: Callable[[dict[str, Any], Path], T]) -> T:
    """Read a TOML file and build something from it; what is wrong with it names the file.

    Parameters
    ----------
    path : path-like
    build : callable
        Takes the content and the folder that its paths are relative to.

    Raises
    ------
    UsageError
        If the file cannot be read, or `build` refuses its content.
    """
    content = read_toml(path)
    try:
        return build(content, Path(path).absolute().parent)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def settings_text(config: RunConfig, levels: Iterable[str]) -> str:
    """Return TOML that `--config` takes to run the same again."""
    import tomli_w

    settings = config.to_mapping()
    if tuple(levels) == BOTH_LEVELS:
        del settings["analysis_level"]
    return tomli_w.dumps(settings)


def merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested mappings; the second wins, key by key.

    Examples
    --------
    >>> merge({"nprocs": 4, "quantify": {"min_volume_mm3": 1.0}}, {"nprocs": 2})
    {'nprocs': 2, 'quantify': {'min_volume_mm3': 1.0}}
    """
    merged = dict(base)
    for key, value in overrides.items():
        if key in _STAGES and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            value = {**merged[key], **value}
        merged[key] = value
    return merged


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
