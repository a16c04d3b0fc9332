"""Interfaces of trainings: a network from cases, or from whole heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import File, TraitedSpec, isdefined, traits

from bgpvs_wf.interfaces.base import HomeInputSpec, HomeInterface, read_array

if TYPE_CHECKING:
    from bgpvs_wf.learning.training.tasks import Task


class LearnInputSpec(HomeInputSpec):
    network = traits.Dict(mandatory=True, desc="fields of NetworkConfig")
    settings = traits.Dict(mandatory=True, desc="fields of TrainingConfig")
    conduct = traits.Dict({}, usedefault=True, nohash=True, desc="fields that weights do not show")
    seed = traits.Int(mandatory=True)
    start = File(desc="weights to start from")
    folder = traits.Str(mandatory=True, hash_files=False, desc="of checkpoints and logs")
    threads = traits.Int(1, usedefault=True, nohash=True)


class LearnOutputSpec(TraitedSpec):
    weights = File(desc="of the best validation")
    progress = File(desc="losses and scores, JSON")


class Learn(HomeInterface):
    """Train a network, or go on where an interrupted training was."""

    output_spec = LearnOutputSpec

    def _task(self) -> Task:
        """Return what is learnt."""
        raise NotImplementedError

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from bgpvs_wf.imaging.files import atomic_file, write_json
        from bgpvs_wf.learning.training.loop import TrainingConfig, train
        from bgpvs_wf.learning.training.malloc import keep_freed_memory
        from bgpvs_wf.learning.training.monitor import Monitor

        inputs = self.inputs
        torch.set_num_threads(inputs.threads)
        keep_freed_memory()
        task = self._task()
        # Another training, by whatever it is made from, has other checkpoints.
        digest = inputs.get_hashval(hash_method="content")[1]
        folder = Path(inputs.folder) / str(digest)[:12]
        config = TrainingConfig(**{**inputs.settings, **inputs.conduct})
        start = None
        if isdefined(inputs.start):
            start = torch.load(inputs.start, map_location="cpu", weights_only=True)
        monitor = Monitor(folder, config.steps)
        weights, progress = train(
            task, config, folder, seed=inputs.seed, start=start, on_step=monitor
        )
        self._results["weights"] = str(Path(runtime.cwd) / "weights.pt")
        with atomic_file(self._results["weights"]) as file:
            torch.save(weights, file)
        self._results["progress"] = str(Path(runtime.cwd) / "progress.json")
        write_json(vars(progress), self._results["progress"])
        return runtime


class TrainInputSpec(LearnInputSpec):
    cases = traits.List(File(), mandatory=True, desc="case.json of each to learn from")
    held_out = traits.List(File(), desc="case.json of each to validate on")
    patch = traits.Tuple(desc="of a network that sees patches")
    augmentation = traits.Dict(mandatory=True, desc="fields of AugmentationConfig")


class Train(Learn):
    """Train a network on cases."""

    input_spec = TrainInputSpec

    def _task(self) -> Task:
        from bgpvs_wf.learning.data.augmentation import AugmentationConfig
        from bgpvs_wf.learning.data.case import read_case
        from bgpvs_wf.learning.nets.architectures import NetworkConfig
        from bgpvs_wf.learning.training.tasks import make_task

        inputs = self.inputs
        return make_task(
            NetworkConfig(**inputs.network),
            [read_case(path) for path in inputs.cases],
            [read_case(path) for path in inputs.held_out or ()],
            seed=inputs.seed,
            augmentation=AugmentationConfig(**inputs.augmentation),
            patch=inputs.patch if isdefined(inputs.patch) else None,
        )


class MakeHeadInputSpec(HomeInputSpec):
    labels = File(mandatory=True, desc="label map of a head, FreeSurfer's numbers")


class MakeHeadOutputSpec(TraitedSpec):
    head = File(desc="see bgpvs_wf.learning.heads.maps.Head")


class MakeHead(HomeInterface):
    """Make a head to learn from of a label map."""

    input_spec = MakeHeadInputSpec
    output_spec = MakeHeadOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from bgpvs_wf.errors import BadLabelsError
        from bgpvs_wf.learning.heads.maps import head_of_labels

        labels, affine = read_array(self.inputs.labels, "label map")
        try:
            head = head_of_labels(labels, affine)
        except BadLabelsError as error:
            raise BadLabelsError(f"{self.inputs.labels}: {error}") from error
        path = Path(runtime.cwd) / "head.npz"
        head.save(path)
        self._results["head"] = str(path)
        return runtime


class TrainHeadInputSpec(LearnInputSpec):
    heads = traits.List(File(), mandatory=True, desc="to learn from")
    held_out = traits.List(File(), desc="to validate on")


class TrainHead(Learn):
    """Train a network on whole heads."""

    input_spec = TrainHeadInputSpec

    def _task(self) -> Task:
        from bgpvs_wf.learning.heads.maps import Head
        from bgpvs_wf.learning.heads.task import make_head_task
        from bgpvs_wf.learning.nets.architectures import NetworkConfig

        inputs = self.inputs
        return make_head_task(
            NetworkConfig(**inputs.network),
            [Head.load(Path(path)) for path in inputs.heads],
            [Head.load(Path(path)) for path in inputs.held_out or ()],
            seed=inputs.seed,
        )
