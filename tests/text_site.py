"""A dataset of text files, folders for results, and the command line around a toy workflow."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from program import call_program

_DRIVER = f"""
import sys

sys.path.append({str(Path(__file__).parent)!r})
import toy_workflow

sys.modules["bgpvs_wf.workflows.base"] = toy_workflow

import bgpvs_wf.cli.main

bgpvs_wf.cli.main.VERBS = ("run", "submit", "status", "doctor")

if __name__ == "__main__":
    status = bgpvs_wf.cli.main.main()
    sys.stderr.write(f"nipype imported: {{'nipype' in sys.modules}}\\n")
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


def make_site(root: Path) -> Site:
    """Write a dataset without images, which are to be added."""
    site = Site(root)
    site.bids.mkdir()
    description = {"Name": "toy", "BIDSVersion": "1.10.0"}
    (site.bids / "dataset_description.json").write_text(json.dumps(description))
    rows = ["participant_id\tage", *(f"sub-{name}\t3" for name in ("01", "02", "03"))]
    (site.bids / "participants.tsv").write_text("\n".join([*rows, ""]))
    (site.bids / "participants.json").write_text(json.dumps({"age": {"Units": "month"}}))
    return site
