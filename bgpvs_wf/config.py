"""`RunConfig`: everything a run needs to know, frozen, passed explicitly."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bgpvs_wf.paths import check_path
from bgpvs_wf.settings import SEED, Settings, build_settings, setting, tables_of

BG_REGIONS = ("nuclei", "closed")
PSEUDOLABEL_STRATEGIES = ("anatomy", "vesselness", "filter")
DEVICES = ("auto", "cpu", "cuda")

BOTH_LEVELS = ("participant", "group")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig(Settings):
    """Preprocessing: see `bgpvs_wf.workflows.prepare`."""

    section: ClassVar[str] = "prepare."

    denoise: bool = setting("Denoise by non-local means before the bias correction.", False)
    bias_correction: bool = setting("Correct the bias field by N4.", True)


@dataclass(frozen=True, kw_only=True)
class AnatomyConfig(Settings):
    """Where the nuclei come from: see `bgpvs_wf.workflows.anatomy`."""

    section: ClassVar[str] = "anatomy."

    source: str = setting(
        "Where the nuclei come from (`auto`: the model; for pseudo-labels derivatives where there "
        "are any, else atlas).",
        "auto",
        choices=("auto", "derivatives", "atlas"),
    )
    atlases: tuple[str, ...] = setting(
        "Atlases to use, by name or folder; several are fused.", (), unset="those known for the age"
    )
    bg_region: str = setting(
        "What the basal ganglia are: the `nuclei`, or those `closed` by 2 mm, with the capsule "
        "between them.",
        "nuclei",
        choices=BG_REGIONS,
    )
    include_thalamus: bool = setting("Count the thalamus as basal ganglia.", False)


@dataclass(frozen=True, kw_only=True)
class PseudolabelConfig(Settings):
    """The synthesis of pseudo-labels: see `bgpvs_wf.pseudolabels`."""

    section: ClassVar[str] = "pseudolabel."

    strategy: str = setting(
        "How pseudo-labels are found: informed by `anatomy`, by `vesselness` (the same without the "
        "rules of anatomy and shape), or by the `filter` of the published simple rule.",
        "anatomy",
        choices=PSEUDOLABEL_STRATEGIES,
    )
    scales_mm: tuple[float, ...] = setting(
        "Standard deviations of the tube filter's Gaussians, mm.",
        (0.3, 0.45, 0.65, 0.9),
        at_least=0.1,
        at_most=5.0,
        items=(1, 20),
    )
    false_discovery_rate: float = setting(
        "Accepted share of false tubes among seeds, estimated from tubes of opposite sign.",
        0.1,
        above=0.0,
        below=1.0,
    )
    min_length_mm: float = setting("Shorter candidates are refused, mm.", 2.0, at_least=0.0)
    rim_mm: float = setting(
        "Depth of the rim of the region in which candidates are suspect, mm.",
        1.0,
        at_least=0.0,
        at_most=10.0,
    )
    min_elongation: float = setting(
        "Candidates less long for their width are refused as blobs; a ball has 1.2.",
        2.0,
        at_least=0.0,
    )
    min_isolation: float = setting(
        "Least share of the mean fall of signal away from the axis that every direction must show; "
        "less is a sheet or an edge.",
        0.4,
        at_least=0.0,
        at_most=1.0,
    )
    min_rim_isolation: float = setting(
        "`min_isolation` of candidates that run along the rim.", 0.8, at_least=0.0, at_most=1.0
    )
    min_rim_length_mm: float = setting(
        "Shorter candidates along the rim are refused as pockets of fluid on the surface, mm.",
        5.0,
        at_least=0.0,
    )
    min_contrast: float = setting(
        "Least signal over the tissue around, as a share of that of fluid in bulk.",
        0.13,
        at_least=0.0,
        at_most=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class PredictConfig(Settings):
    """Segmentation by a trained model: see `bgpvs_wf.learning.inference.prediction`."""

    section: ClassVar[str] = "predict."

    model: str = setting("Trained model, by name or folder.", "", unset="the one in the box")
    device: str = setting(
        "Where the model runs (`auto`: on a GPU if there is one).", "auto", choices=DEVICES
    )
    flips: bool = setting(
        "Average the model's result with that on the mirror image, in twice the time.", False
    )


@dataclass(frozen=True, kw_only=True)
class QuantifyConfig(Settings):
    """Measures: see `bgpvs_wf.quantification`."""

    section: ClassVar[str] = "quantify."

    min_volume_mm3: float = setting(
        "Leave smaller PVS out of the measures.", 0.0, at_least=0.0, at_most=10_000.0
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """One run of the workflow.

    Raises
    ------
    UsageError
        If a value is of the wrong type, out of bounds, or not one of the choices.
    """

    bids_dir: Path = setting("Root of the dataset; read only.")
    output_dir: Path = setting("Folder of the results.")
    work_dir: Path = setting("Folder of intermediate results; keep it to resume.", Path("work"))
    analysis_level: str = setting(
        "`participant`: each subject; `group`: the table of all.",
        "participant",
        choices=BOTH_LEVELS,
        unset="the one, then the other",
    )
    participant_label: tuple[str, ...] = setting("Subjects, with or without sub-.", (), unset="all")
    session_id: tuple[str, ...] = setting("Sessions, with or without ses-.", (), unset="all")
    bids_filter_file: Path | None = setting("JSON file with entities of the files to take.", None)
    derivatives: Mapping[str, Path] = setting(
        "Folders of existing brain masks, dseg and preprocessed images, by name.", factory=dict
    )
    ratings: Path | None = setting(
        "TSV of ratings, as the page of the cohort exports it: who is to be excluded leaves the "
        "group level.",
        None,
    )
    norms: Path | None = setting(
        "JSON of norms, as `bgpvs-wf norms` makes it: the group level tells centiles.", None
    )
    plugin: str = setting(
        "Plugin of Nipype that runs it: MultiProc, Linear, SLURM or another.", "MultiProc"
    )
    plugin_args: Mapping[str, Any] = setting("Arguments of the plugin.", factory=dict)
    nprocs: int = setting(
        "Processors to use.",
        factory=lambda: os.cpu_count() or 1,
        unset="all",
        at_least=1,
        at_most=100_000,
    )
    omp_nthreads: int = setting(
        "Processors a step may use.",
        0,
        unset="0, which is 8 at most, and fewer where several subjects run on this machine",
        at_least=0,
        at_most=100_000,
    )
    memory_gb: float = setting(
        "Memory to use, GB.", 0.0, unset="0, which is nine tenths of what there is", at_least=0.0
    )
    random_seed: int = setting("Seed of all steps that need one.", 20260101, **SEED)
    stop_on_first_crash: bool = setting("End the run at the first step that crashes.", False)
    clean: str = setting(
        "When a subject's part of the work folder is removed: `never`, or once it is `done`; after "
        "a change it starts from its scans then.",
        "never",
        choices=("never", "done"),
    )
    segmentation: str = setting(
        "What segments: a trained model, synthesised pseudo-labels, or both (the model is "
        "measured).",
        "model",
        choices=("model", "pseudolabel", "both"),
    )
    prepare: PrepareConfig = setting("Preprocessing.", factory=PrepareConfig)
    anatomy: AnatomyConfig = setting("Where the nuclei come from.", factory=AnatomyConfig)
    pseudolabel: PseudolabelConfig = setting("The pseudo-labels.", factory=PseudolabelConfig)
    predict: PredictConfig = setting("Segmentation by a model.", factory=PredictConfig)
    quantify: QuantifyConfig = setting("The measures.", factory=QuantifyConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("bids_dir", "output_dir", "work_dir", "bids_filter_file", "ratings", "norms"):
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

    def shared_among(self, subjects: int) -> RunConfig:
        """Return the settings for some subjects side by side on one machine.

        Steps of several subjects keep processors busy better than threads of one step do.

        Examples
        --------
        >>> here = Path(".")
        >>> config = RunConfig(bids_dir=here, output_dir=here, plugin="MultiProc", nprocs=8)
        >>> [config.shared_among(n).threads for n in (1, 3, 353)]
        [8, 2, 1]
        """
        if self.omp_nthreads or self.plugin not in ("MultiProc", "LegacyMultiProc"):
            return self
        return dataclasses.replace(self, omp_nthreads=max(self.threads // max(subjects, 1), 1))

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
        config: RunConfig = build_settings(cls, mapping)
        return config

    @classmethod
    def check_part(cls, mapping: Mapping[str, Any]) -> None:
        """Refuse settings that no run can have; the folders of the run may be missing.

        Raises
        ------
        UsageError
        """
        cls.from_mapping({"bids_dir": "bids", "output_dir": "out", **mapping})

    def to_mapping(self) -> dict[str, Any]:
        """Return a nested mapping of plain values, without the unset ones."""
        return {
            key: _plain(value)
            for key, value in dataclasses.asdict(self).items()
            if value is not None
        }


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
    merged, stages = dict(base), tables_of(RunConfig)
    for key, value in overrides.items():
        if key in stages and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
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
