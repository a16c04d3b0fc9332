from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from program import call_program

# The command line around a workflow that takes no time: text files for images.
_DRIVER = """
import sys
import types


def prepare(image):
    from bgpvs_wf.errors import BadImageError

    text = open(image).read()
    if "truncated" in text:
        raise BadImageError(f"{image} is truncated; copy it again.")
    if "slow" in text or "brief" in text:
        import time

        time.sleep(60 if "slow" in text else 8)
    return len(text)


def quantify(size, minimum):
    return size + minimum


def sink(value, folder, names):
    from pathlib import Path

    from bgpvs_wf.quantification.columns import REGION_COLUMNS
    from bgpvs_wf.quantification.parcels import region_rows

    lines = ["\\t".join(REGION_COLUMNS)]
    for row in region_rows(set(), False, "nuclei"):
        known = {"name": row.name, "region": row.region, "side": row.side}
        lines.append("\\t".join(known.get(column, "1") for column in REGION_COLUMNS))
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = str(value)
        if name.endswith("morph.tsv"):
            text = "\\n".join([*lines, ""])
        path.write_text(text)
    return folder


def init_subjects_wf(config, subjects):
    from nipype import Function, Node, Workflow

    from bgpvs_wf.bids.derivatives import expected_outputs
    from bgpvs_wf.bids.ages import require_age
    from bgpvs_wf.engine.crashes import workflow_name

    main = Workflow("bgpvs_wf", base_dir=str(config.work_dir))
    for subject in subjects:
        require_age(subject)
        stages = {}
        for function in (prepare, quantify, sink):
            node = Node(Function(function=function, output_names=["out"]), "node")
            stages[function.__name__] = Workflow(f"{function.__name__}_wf")
            stages[function.__name__].add_nodes([node])
        stages["prepare"].get_node("node").inputs.image = str(subject.home_image)
        stages["quantify"].get_node("node").inputs.minimum = config.quantify.min_volume_mm3
        end = stages["sink"].get_node("node").inputs
        end.folder = str(config.output_dir)
        outputs = expected_outputs(config, subject).values()
        end.names = [str(path.relative_to(config.output_dir)) for path in outputs]
        wf = Workflow(workflow_name(subject.label))
        wf.connect(
            [
                (stages["prepare"], stages["quantify"], [("node.out", "node.size")]),
                (stages["quantify"], stages["sink"], [("node.out", "node.value")]),
            ]
        )
        main.add_nodes([wf])
    return main


stub = types.ModuleType("bgpvs_wf.workflows.base")
stub.init_subjects_wf = init_subjects_wf
sys.modules[stub.__name__] = stub

import bgpvs_wf.cli.main

bgpvs_wf.cli.main.VERBS = ("run", "submit", "status", "doctor")

if __name__ == "__main__":
    status = bgpvs_wf.cli.main.main()
    sys.stderr.write(f"nipype imported: {'nipype' in sys.modules}\\n")
    sys.exit(status)
"""


@dataclass
class Site:
    """A dataset of text files, folders for results, and the command line on them."""

    root: Path

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def out(self) -> Path:
        return self.root / "out"

    def image(self, subject: str, session: str | None = None) -> Path:
        folder = self.bids / f"sub-{subject}" / (f"ses-{session}" if session else "")
        name = f"sub-{subject}" + (f"_ses-{session}" if session else "")
        return folder / "anat" / f"{name}_T2w.nii.gz"

    def add(self, subject: str, text: str = "fine", session: str | None = None) -> Path:
        image = self.image(subject, session)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_text(text)
        return image

    def command(self, *words: str | Path) -> list[str]:
        driver = self.root / "driver.py"
        driver.write_text(_DRIVER)
        given = ("--segmentation", "pseudolabel") if words[0] in ("run", "submit") else ()
        return [sys.executable, str(driver), *map(str, words), *given]

    def call(self, *words: str | Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Call the command line."""
        program, *words = self.command(*words)
        return call_program(self.root, *words, program=(program,), timeout=timeout)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Call `run` on the dataset."""
        given = ("--plugin", "Linear") if "--plugin" not in words else ()
        return self.call("run", self.bids, self.out, *words, *given)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.bids.mkdir()
    description = {"Name": "toy", "BIDSVersion": "1.10.0"}
    (site.bids / "dataset_description.json").write_text(json.dumps(description))
    rows = ["participant_id\tage", *(f"sub-{name}\t3" for name in ("01", "02", "03"))]
    (site.bids / "participants.tsv").write_text("\n".join([*rows, ""]))
    (site.bids / "participants.json").write_text(json.dumps({"age": {"Units": "month"}}))
    return site
