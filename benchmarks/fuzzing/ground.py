"""Valid ground to damage: two small infants, and one file of each kind that the program reads.

All of it is made by the program's own writers, so that the undamaged call of each verb works.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SUBJECTS = ("01", "02")
"""The first is damaged; the second is to be done as if nothing were."""
_AGE_WEEKS, _VOXEL_MM, _AROUND = 60, 2.0, 3
_MACHINE = ("-w", "work", "--nprocs", "1", "--omp-nthreads", "1", "--plugin", "Linear")
_MODEL = ("--model", "model", "--anatomy", "derivatives", "--derivatives", "truth=truth")
_RUN = (*_MODEL, "--no-bias-correction", "--no-test-time-flips")
CALLS: dict[str, tuple[str, ...]] = {
    "run": ("run", "bids", "new", *_RUN, *_MACHINE),
    "again": ("run", "bids", "out", *_RUN, *_MACHINE),
    "why": ("run", "bids", "out", "--why", *_RUN, *_MACHINE),
    "dry-run": ("run", "bids", "new", "--dry-run", *_RUN, *_MACHINE),
    "group": ("run", "bids", "out", "group", *_RUN, *_MACHINE),
    "config": ("run", "--config", "run.toml", "--why"),
    "submit": ("submit", "bids", "new", "--array", *_RUN, "-w", "work"),
    "status": ("status", "out"),
    "atlas list": ("atlas", "list"),
    "atlas show": ("atlas", "show", "tiny"),
    "atlas add": ("atlas", "add", "--dseg", "atlas/tiny_dseg.nii.gz", "--t2w",
                  "atlas/tiny_T2w.nii.gz", "--name", "other", "--age", "60w", "--labels",
                  "atlas/labels.tsv"),
    "simulate": ("simulate", "drawn", "--subjects", "1", "--ages", "92w", "--preset",
                 "scanner.toml"),
    "evaluate": ("evaluate", "--reference", "truth", "--prediction", "out", "--out", "scores"),
    "compare": ("compare", "experiment.toml", "compared", *_MACHINE),
    "validate": ("validate", "bids", "valid", "--cases", "1", "--derivatives", "truth=truth",
                 "--segmentation", "pseudolabel", *_MACHINE),
    "train": ("train", "recipe.toml", "trained", *_MACHINE),
    "suggest": ("suggest", "out", "export", "--number", "1"),
    "finetune": ("finetune", "bids", "tuned", "--labels", "truth", "--model", "model", "--steps",
                 "1", *_MACHINE),
    "doctor": ("doctor", "."),
}  # fmt: skip
"""The undamaged call of each verb, in the folder of the site."""
_SCANNER = """\
hindbrain = false
[t2w]
voxel_mm = [2.5, 2.5, 2.5]
[t1w]
voxel_mm = [2.5, 2.5, 2.5]
"""
_EXPERIMENT = """\
proposed = "anatomy"
seed = 0
[cohorts.own]
bids_dir = "bids"
truth = "truth"
derivatives = {nuclei = "truth"}
anatomy_from = "reference"
[run]
segmentation = "pseudolabel"
[run.prepare]
bias_correction = false
[strategies.anatomy.pseudolabel]
strategy = "anatomy"
min_contrast = 0.13
scales_mm = [0.45, 0.9]
"""
_RECIPE = """\
name = "tiny"
strategy = "manual"
seed = 1
held_out = 0.5
[cohorts.own]
bids_dir = "bids"
truth = "truth"
derivatives = {nuclei = "truth"}
anatomy_from = "reference"
labels = "given"
[coarse]
filters = [2, 4, 4]
steps = 1
batch = 1
[coarse.augmentation]
contrast = 0.5
[fine]
filters = [2, 4, 4]
steps = 1
patch = [16, 16, 16]
members = 1
self_training = 0
[pvs]
filters = [2, 2]
steps = 1
batch = 1
patch = [8, 8, 8]
[training]
batch = 1
workers = 0
device = "cpu"
learning_rate = 0.002
weight_decay = 0.0001
validate_steps = 1
patience = 0
checkpoint_minutes = 3
[augmentation]
rotation_deg = 15
scaling = 0.1
[run.prepare]
bias_correction = false
"""
_CONFIG = """\
bids_dir = "bids"
output_dir = "out"
work_dir = "work"
participant_label = ["01", "02"]
plugin = "Linear"
nprocs = 1
omp_nthreads = 1
memory_gb = 4.0
random_seed = 20260101
stop_on_first_crash = false
clean = "never"
segmentation = "model"
[derivatives]
truth = "truth"
[plugin_args]
n_procs = 1
[prepare]
denoise = false
bias_correction = false
[anatomy]
source = "derivatives"
bg_region = "nuclei"
include_thalamus = false
[pseudolabel]
strategy = "anatomy"
scales_mm = [0.3, 0.45, 0.65, 0.9]
false_discovery_rate = 0.1
min_length_mm = 2.0
rim_mm = 1.0
min_elongation = 2.0
min_isolation = 0.4
min_rim_isolation = 0.8
min_rim_length_mm = 5.0
min_contrast = 0.13
[predict]
model = "model"
device = "auto"
flips = false
[quantify]
min_volume_mm3 = 0.0
"""
_SBATCH = """\
#!/bin/bash
# Runs what it is given, with the program itself replaced by nothing.
for word; do [ -f "$word" ] && script=$word; done
function {python} {{ :; }}
exec() {{ "$@"; }}
SLURM_ARRAY_TASK_ID=0
. "$script" > /dev/null 2>&1
echo 123
"""


@dataclass(frozen=True)
class Site:
    """A folder with all that the verbs read, damaged or not."""

    root: Path

    def scan(self, subject: str, suffix: str = "T2w") -> Path:
        """Return where a scan is."""
        return self.root / "bids" / f"sub-{subject}" / "anat" / f"sub-{subject}_{suffix}.nii.gz"

    def truth(self, subject: str, what: str) -> Path:
        """Return where the true labels of a subject are."""
        return self.root / "truth" / f"sub-{subject}" / "anat" / f"sub-{subject}_desc-{what}.nii.gz"

    def result(self, subject: str, name: str) -> Path:
        """Return where a result is."""
        return self.root / "out" / f"sub-{subject}" / "anat" / f"sub-{subject}_{name}"

    @property
    def environment(self) -> dict[str, str]:
        """What the program finds around it: no atlases but the site's, a queue that is none."""
        return {
            "BGPVS_WF_ATLASES": str(self.root / "atlases"),
            "HOME": str(self.root / "home"),
            "PATH": f"{self.root / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "NIPYPE_NO_ET": "1",
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(self.root / "tmp"),
        }


def make_site(root: Path) -> Site:
    """Write everything that the verbs read, but for what the program itself finds."""
    from bgpvs_wf.imaging.files import write_text

    site = Site(root)
    for name in ("home", "tmp", "bin"):
        (root / name).mkdir(parents=True)
    for number, subject in enumerate(SUBJECTS):
        _write_infant(site, subject, seed=3 + number)
    for folder, kind in (("bids", "raw"), ("truth", "derivative")):
        content: dict[str, Any] = {"Name": folder, "BIDSVersion": "1.10.0", "DatasetType": kind}
        if kind == "derivative":
            content["GeneratedBy"] = [{"Name": "fuzz"}]
        _write(root / folder / "dataset_description.json", json.dumps(content))
    rows = ["participant_id\tage\tsex", *(f"sub-{s}\t4.6\tn/a" for s in SUBJECTS), ""]
    _write(root / "bids" / "participants.tsv", "\n".join(rows))
    _write(root / "bids" / "participants.json", json.dumps({"age": {"Units": "month"}}))
    for name, text in {
        "run.toml": _CONFIG,
        "recipe.toml": _RECIPE,
        "experiment.toml": _EXPERIMENT,
        "scanner.toml": _SCANNER,
        "plugin.yml": "plugin: Linear\nplugin_args:\n  n_procs: 1\n  raise_insufficient: false\n",
        "filter.json": json.dumps({"t2w": {"suffix": "T2w"}, "t1w": {"suffix": "T1w"}}),
    }.items():
        write_text(text, root / name)
    _write_model(root / "model")
    _write_atlas(site)
    for program in ("sbatch", "squeue", "scancel", "scontrol", "sinfo"):
        path = root / "bin" / program
        path.write_text(
            _SBATCH.format(python=sys.executable)
            if program == "sbatch"
            else "#!/bin/bash\nexit 0\n"
        )
        path.chmod(0o755)
    return site


def move_site(folder: Path, root: Path, before: Path) -> Site:
    """Copy a site; paths in its text files go along."""
    shutil.copytree(folder, root, symlinks=True)
    for path in root.rglob("*"):
        if path.suffix in (".toml", ".json", ".sh", ".txt") or path.parent.name == "bin":
            text = path.read_bytes()
            if str(before).encode() in text:
                stat = path.stat()
                path.write_bytes(text.replace(str(before).encode(), str(root).encode()))
                path.chmod(stat.st_mode)
    return Site(root)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_infant(site: Site, subject: str, seed: int) -> None:
    """Write the middle of a synthetic head: real volumes, few voxels."""
    from bgpvs_wf.anatomy.labels import BG_LABELS
    from bgpvs_wf.imaging.files import save_image
    from bgpvs_wf.phantom import simulate_subject
    from bgpvs_wf.phantom.protocol import plain

    infant = simulate_subject(_AGE_WEEKS, seed=seed, protocol=plain(_VOXEL_MM), n_tubes=14)
    places = np.argwhere(np.isin(infant.dseg, BG_LABELS))
    low, high = places.min(axis=0) - _AROUND, places.max(axis=0) + _AROUND + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine = infant.affine.copy()
    affine[:3, 3] = (infant.affine @ np.append(low, 1))[:3]
    for suffix, image in (("T2w", infant.t2w), ("T1w", infant.t1w)):
        save_image(np.asarray(image[box], np.float32), affine, site.scan(subject, suffix))
        _write(site.scan(subject, suffix).with_suffix("").with_suffix(".json"), "{}")
    for what, labels in (("aseg_dseg", infant.dseg), ("bgpvs_dseg", infant.bgpvs)):
        save_image(np.asarray(labels[box]), affine, site.truth(subject, what), labels=True)


def _write_model(folder: Path) -> None:
    """Write a model whose PVS network finds what is bright in the basal ganglia."""
    import torch

    from bgpvs_wf.learning.models.bundle import write_bundle
    from bgpvs_wf.learning.nets.architectures import (
        ANATOMY,
        COARSE,
        PVS,
        NetworkConfig,
        build_network,
    )

    torch.manual_seed(0)
    parts = {}
    for tells, filters in ((COARSE, (2, 4, 4)), (ANATOMY, (2, 4, 4)), (PVS, (2, 2))):
        config = NetworkConfig(tells=tells, filters=filters)
        network = build_network(config)
        if tells == PVS:
            with torch.no_grad():
                for value in network.parameters():
                    value.zero_()
                for out, channel in ((0, 0), (1, config.inputs.index("basal ganglia"))):
                    network.layers[0].weight[out, channel, 1, 1, 1] = 1
                network.output.weight[0, 0], network.output.weight[0, 1] = 3.0, 60.0
                network.output.bias[0] = -12.0 - 55.0
        parts[tells] = (config, network.state_dict())
    write_bundle(
        folder,
        name="tiny",
        strategy="manual",
        coarse=parts[COARSE],
        fine=[(parts[ANATOMY], parts[PVS])],
        pvs_threshold=0.5,
        card="# Tiny",
        facts={"version": "0.0.1"},
    )


def _write_atlas(site: Site) -> None:
    folder = site.root / "atlas"
    folder.mkdir()
    shutil.copy2(site.scan("02"), folder / "tiny_T2w.nii.gz")
    shutil.copy2(site.truth("02", "aseg_dseg"), folder / "tiny_dseg.nii.gz")
    rows = ["index\tname", "11\tLeft-Caudate", "12\tLeft-Putamen", "13\tLeft-Pallidum"]
    rows += ["50\tRight-Caudate", "51\tRight-Putamen", "52\tRight-Pallidum"]
    rows += [f"{n}\tOther-{n}" for n in range(1, 300) if n not in (11, 12, 13, 50, 51, 52)]
    rows.append("")
    _write(folder / "labels.tsv", "\n".join(rows))
