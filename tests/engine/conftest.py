from __future__ import annotations

from pathlib import Path

import pytest

from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import QuantifyConfig, RunConfig
from bgpvs_wf.engine.jobs import Job
from bgpvs_wf.engine.ledger import Ledger
from bgpvs_wf.engine.logs import RunLogs, logged_to
from bgpvs_wf.engine.progress import Display
from bgpvs_wf.engine.runner import CohortRunner


def _measure(image: str) -> int:
    from pathlib import Path

    from bgpvs_wf.errors import BadImageError

    text = Path(image).read_text()
    if "truncated" in text:
        raise BadImageError(f"{image} is truncated; copy it again.")
    if "unmeasurable" in text:
        raise ValueError("no number")
    if "crash" in text:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
    if "full" in text:
        raise OSError(28, "No space left on device", image)
    if "silent" in text:
        return -1
    return len(text)


def _keep(count: int, threshold: float) -> float:
    return count * threshold


def _save(value: float, folder: str) -> str:
    from pathlib import Path

    if value >= 0:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "result.txt").write_text(str(value))
    return folder


class Recorder:
    """A display that remembers."""

    def __init__(self) -> None:
        self.events: list = []
        self.running = False

    def start(self, tracker) -> None:
        self.running = True

    def show(self, events) -> None:
        assert self.running
        self.events += [(event.subject, event.stage, event.state) for event in events]

    def stop(self) -> None:
        self.running = False


class Toy:
    """A cohort of text files; length times `quantify.min_volume_mm3` is a subject's result."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.display = Recorder()
        self.runs = 0

    def config(self, plugin: str = "Linear", factor: float = 2.0, **settings) -> RunConfig:
        return RunConfig(
            bids_dir=self.root / "bids",
            output_dir=self.root / "out",
            work_dir=self.root / "work",
            plugin=plugin,
            nprocs=2,
            segmentation="pseudolabel",
            quantify=QuantifyConfig(min_volume_mm3=factor),
            **settings,
        )

    def job(self, name: str, text: str | None = None) -> Job:
        image = self.root / "bids" / f"sub-{name}_T2w.nii.gz"
        if text is not None:
            image.parent.mkdir(parents=True, exist_ok=True)
            image.write_text(text)
        subject = SubjectInputs(subject=name, t2w=image, age_weeks=40.0)
        return Job(subject, {"result": self.root / "out" / f"sub-{name}" / "result.txt"})

    def factory(self, config: RunConfig, subjects):
        from nipype import Function, Node, Workflow

        from bgpvs_wf.errors import AgeError

        main = Workflow("bgpvs_wf", base_dir=str(config.work_dir))
        for subject in subjects:
            if subject.subject == "ageless":
                raise AgeError("sub-ageless has no age; add it to participants.tsv.")
            wf = Workflow(f"sub_{subject.subject}_wf")
            measure = Node(Function(function=_measure, output_names=["count"]), "measure")
            measure.inputs.image = str(subject.t2w)
            keep = Node(Function(function=_keep, output_names=["value"]), "keep")
            keep.inputs.threshold = config.quantify.min_volume_mm3
            save = Node(Function(function=_save, output_names=["folder"]), "save")
            # Nipype takes the time of any file named in an input into the hash: name the folder.
            save.inputs.folder = str(self.job(subject.subject).outputs["result"].parent)
            prepare, quantify, sink = (
                Workflow(f"{name}_wf") for name in ("prepare", "quantify", "sink")
            )
            prepare.add_nodes([measure])
            quantify.add_nodes([keep])
            sink.add_nodes([save])
            wf.connect(
                [
                    (prepare, quantify, [("measure.count", "keep.count")]),
                    (quantify, sink, [("keep.value", "save.value")]),
                ]
            )
            main.add_nodes([wf])
        return main

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.root / "out" / "logs" / "ledger")

    def run(self, jobs, display: Display | None = None, **settings):
        """Run jobs; return the outcomes by subject."""
        config = self.config(**settings)
        self.runs += 1
        logs = RunLogs(self.root / "out" / "logs" / f"run-{self.runs}")
        logs.folder.mkdir(parents=True)
        runner = CohortRunner(config, self.factory, self.ledger, logs, display or self.display)
        with logged_to(logs.log_file):
            return {outcome.label: outcome for outcome in runner.run(jobs)}

    def result(self, name: str) -> float:
        return float(self.job(name).outputs["result"].read_text())


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)
