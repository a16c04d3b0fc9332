"""Trains a tiny network on the toy cases in a folder; dies at a step, if told to.

python train_here.py CASES FOLDER WORKERS [STEP]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from bgpvs_wf.learning.data.augmentation import AugmentationConfig
from bgpvs_wf.learning.data.case import read_case
from bgpvs_wf.learning.data.examples import FineExamples
from bgpvs_wf.learning.nets.architectures import ANATOMY, NetworkConfig
from bgpvs_wf.learning.nets.sliding_window import WINDOWS
from bgpvs_wf.learning.training.loop import Progress, TrainingConfig, train
from bgpvs_wf.learning.training.tasks import FineTask

STEPS = 34


def train_toy(cases: Path, folder: Path, workers: int, end: int | None = None):
    """Train; the process is killed after a step if one is given."""
    found = [read_case(path) for path in sorted(cases.glob("*/case.json"))]
    network = NetworkConfig(tells=ANATOMY, filters=(2, 4, 4))
    augmentation = AugmentationConfig(intensity=0.5, motion=0.3, contrast=0.4)
    examples = FineExamples(found[:-1], 5, (8, 8, 8), augmentation)
    # A checkpoint whenever one can be written.
    config = TrainingConfig(
        steps=STEPS,
        batch=2,
        validate_steps=13,
        checkpoint_minutes=0,
        device="cpu",
        workers=workers,
    )
    before, threads = WINDOWS[ANATOMY], torch.get_num_threads()
    WINDOWS[ANATOMY] = (24, 24, 24)
    torch.set_num_threads(1)

    def on_step(progress: Progress, loss: float) -> None:
        if progress.step == end:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        task = FineTask(network, examples, found[-1:])
        return train(task, config, folder, seed=3, on_step=on_step)
    finally:
        WINDOWS[ANATOMY] = before
        torch.set_num_threads(threads)


if __name__ == "__main__":
    train_toy(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
