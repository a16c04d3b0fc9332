"""The training loop: plain, seeded, and after an interruption exactly where it was."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bgpvs_wf.config import DEVICES
from bgpvs_wf.imaging.files import atomic_file
from bgpvs_wf.learning.nets.architectures import build_network
from bgpvs_wf.learning.nets.sliding_window import choose_device, fast_bfloat16
from bgpvs_wf.learning.training.tasks import Batch, Examples, Task
from bgpvs_wf.settings import Settings, limited

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader

_WARM_UP = 0.05
_SMOOTHING = 0.99
"""Of the moving average of the weights, which is what is validated and kept (chosen)."""
_REPORT_STEPS = 10
_CLIP_NORM = 12.0


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """How a network is trained."""

    section: ClassVar[str] = "training."

    steps: int = limited(3000, at_least=0)
    batch: int = limited(2, at_least=1)
    """Examples a step."""
    learning_rate: float = limited(2e-3, above=0.0)
    weight_decay: float = limited(1e-4, at_least=0.0)
    validate_steps: int = limited(250, at_least=1)
    """Steps between validations."""
    patience: int = limited(0, at_least=0)
    """Validations without a better score after which training ends; 0 goes on to the last step."""
    checkpoint_minutes: float = limited(3.0, at_least=0.0)
    device: str = limited("auto", choices=DEVICES)
    workers: int = limited(1, at_least=0)
    """Processes that make examples; 0 is none beside the training itself."""


@dataclass
class Progress:
    """Where a training is; all of it goes into a checkpoint."""

    step: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    """Step, and mean loss since the one before."""
    scores: list[dict[str, float]] = field(default_factory=list)
    """Of each validation, with its `step`."""
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0
    """Validations since the best."""
    done: bool = False


OnStep = Callable[[Progress, float], None]
"""Told of each step and its loss."""


def train(
    task: Task,
    config: TrainingConfig,
    folder: Path,
    *,
    seed: int,
    start: Mapping[str, torch.Tensor] | None = None,
    on_step: OnStep | None = None,
) -> tuple[dict[str, torch.Tensor], Progress]:
    """Train a network, or go on with a training that was interrupted.

    On a processor the result is the same, bit by bit, with and without interruptions: an example
    depends on its number only, and all else is in the checkpoint.

    Parameters
    ----------
    task : Task
    config : TrainingConfig
    folder : Path
        Of checkpoint and TensorBoard's log; a training goes on if its checkpoint is there.
    seed : int
        Of the first weights.
    start : mapping of str to Tensor, optional
        Weights to start from instead.
    on_step : callable, optional

    Returns
    -------
    weights : dict of str to Tensor
        Of the best validation, or the last ones if nothing is held out; on the processor.
    progress : Progress
    """
    import torch

    torch.manual_seed(seed)
    device = choose_device(config.device)
    network = build_network(task.network)
    if start is not None:
        network.load_state_dict(dict(start))
    run = _Run(network.to(device), config, folder)
    progress = run.restore()
    if progress.done:
        return run.best, progress
    log = _TensorBoard(folder / "tensorboard", progress.step)
    saved, pending = time.monotonic(), []
    for batch in _batches(task.examples, config, progress.step):
        loss = run.step(task, {k: v.to(device) for k, v in batch.items()}, progress.step)
        progress.step += 1
        pending.append(loss)
        last = progress.step == config.steps
        if progress.step % config.validate_steps == 0 or last:
            _validate(run, task, progress)
            log.scores(progress)
        progress.done = last or 0 < config.patience <= progress.waited
        if progress.step % _REPORT_STEPS == 0 or progress.done:
            progress.losses.append((progress.step, sum(pending) / len(pending)))
            log.losses(progress)
            pending = []
        if on_step is not None:
            on_step(progress, loss)
        due = time.monotonic() - saved > 60 * config.checkpoint_minutes
        # Losses that are not averaged yet are not in a checkpoint.
        if progress.done or (due and not pending):
            run.save(progress)
            saved = time.monotonic()
        if progress.done:
            break
    log.close()
    return run.best, progress


class _Run:
    """A network in training with all that belongs to it."""

    def __init__(self, network: nn.Module, config: TrainingConfig, folder: Path) -> None:
        import torch
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        self.device = next(network.parameters()).device
        self._fast = fast_bfloat16(self.device)
        # Convolutions over channels that lie side by side take a quarter less time on a processor
        # without AVX-512, and no more elsewhere. In bfloat16 a processor gave other numbers each
        # time so, or none, where there were two to four channels.
        apart = self._fast and self.device.type == "cpu"
        self._format = torch.contiguous_format if apart else torch.channels_last_3d
        self.network = network.to(memory_format=self._format)  # type: ignore[call-overload]
        self.averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(_SMOOTHING))
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.config = config
        self.best = self.weights()
        self._path = folder / "checkpoint.pt"
        folder.mkdir(parents=True, exist_ok=True)

    def step(self, task: Task, batch: Batch, number: int) -> float:
        """Take one step; return the loss."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(number, self.config)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._fast):
            logits = self.network(batch["image"].contiguous(memory_format=self._format))
        loss = task.loss(logits.float(), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP_NORM)
        self.optimizer.step()
        self.averaged.update_parameters(self.network)
        return float(loss.detach())

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the averaged weights, on the processor."""
        state = self.averaged.module.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def save(self, progress: Progress) -> None:
        """Write a checkpoint, whole or not at all."""
        import torch

        content = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "progress": vars(progress),
        }
        with atomic_file(self._path) as file:
            torch.save(content, file)

    def restore(self) -> Progress:
        """Read the checkpoint if there is one; return where the training is."""
        import torch

        if not self._path.is_file():
            return Progress()
        content = torch.load(self._path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(content["network"])
        self.averaged.load_state_dict(content["averaged"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.best = {name: value.cpu() for name, value in content["best"].items()}
        return Progress(**content["progress"])


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of a step: it rises for a twentieth of the steps, then falls to 0.

    Examples
    --------
    >>> config = TrainingConfig(steps=100, learning_rate=1.0)
    >>> [round(learning_rate(step, config), 2) for step in (0, 4, 50, 99)]
    [0.2, 1.0, 0.54, 0.0]
    """
    rising = max(round(_WARM_UP * config.steps), 1)
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    share = (step - rising) / max(config.steps - rising, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def _validate(run: _Run, task: Task, progress: Progress) -> None:
    """Score the averaged weights; keep them if they are the best, or nothing is held out."""
    scores = task.scores(run.averaged.module)
    # A GPU without memory for a whole case leaves the network on the processor.
    run.averaged.to(run.device)
    mean = sum(scores.values()) / len(scores) if scores else math.inf
    if scores:
        progress.scores.append({"step": progress.step, **scores})
    if mean > progress.best or not scores:
        progress.best, progress.best_step, progress.waited = mean, progress.step, 0
        run.best = run.weights()
    else:
        progress.waited += 1


def _batches(examples: Examples, config: TrainingConfig, first: int) -> Iterator[Batch]:
    """Give the batches from a step on."""
    from torch.utils.data import DataLoader

    numbers = range(first * config.batch, config.steps * config.batch)
    counted: Any = _Counted(examples, config.steps * config.batch)
    loader: DataLoader[Any] = DataLoader(
        counted,
        batch_size=config.batch,
        sampler=numbers,
        num_workers=config.workers,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if config.workers else None,
    )
    yield from loader


class _Counted:
    """Examples with a length, as a loader wants them."""

    def __init__(self, examples: Examples, count: int) -> None:
        self._examples, self._count = examples, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return self._examples[number]


def _one_thread(worker: int) -> None:
    import torch

    torch.set_num_threads(1)


class _TensorBoard:
    """TensorBoard's log of a training; an interrupted one's is cut where the training goes on."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step)

    def losses(self, progress: Progress) -> None:
        self._writer.add_scalar("loss", progress.losses[-1][1], progress.losses[-1][0])

    def scores(self, progress: Progress) -> None:
        if progress.scores and progress.scores[-1]["step"] == progress.step:
            for name, value in progress.scores[-1].items():
                if name != "step":
                    self._writer.add_scalar(name, value, progress.step)

    def close(self) -> None:
        self._writer.close()
