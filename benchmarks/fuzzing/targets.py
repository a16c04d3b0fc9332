"""The files that the program reads, which verb reads each, and what may come of damage to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzing.ground import SUBJECTS, Site
from fuzzing.judge import CHANGED, DOUBT, EQUAL, FAILS, REFUSED, SAID, Rule

FIRST = f"sub-{SUBJECTS[0]}"
AGED = ("--segmentation", "pseudolabel", "--anatomy", "atlas", "--atlas", "synthetic")
"""An atlas is matched by age, so the tables of ages matter."""


@dataclass(frozen=True)
class Target:
    """A file, and a call that reads it."""

    name: str
    format: str
    """`scan`, `labels`, `weights`, `tsv`, `json`, `toml` or `yaml`."""
    find: Callable[[Site], Path]
    call: str
    """A key of `fuzzing.ground.CALLS`."""
    outcomes: frozenset[str]
    """What may come of it when nothing can be read from the file."""
    names: tuple[str, ...]
    """One of them is in the message; the file's own name always counts."""
    subject: str = ""
    words: tuple[str, ...] = ()

    def rule(self, site: Site, *more: str) -> Rule:
        """Return the rule of damage after which nothing can be read; `more` may come of it, too."""
        names = (self.find(site).name, *self.names)
        return Rule(self.outcomes | {*more}, names, self.subject)


def _target(
    name: str,
    format: str,
    find: Callable[[Site], Path],
    call: str,
    *outcomes: str,
    names: tuple[str, ...] = (),
    subject: str = "",
    words: tuple[str, ...] = (),
) -> Target:
    return Target(name, format, find, call, frozenset(outcomes), names, subject, words)


def _log(site: Site, name: str) -> Path:
    return next((site.root / "out" / "logs").glob(f"*/{name}"))


def _ledger(site: Site, name: str) -> Path:
    return site.root / "out" / "logs" / "ledger" / name


_ONE = SUBJECTS[0]
# With the nuclei given, the coarse weights are not needed.
TARGETS: tuple[Target, ...] = (
    _target("T2w", "scan", lambda s: s.scan(_ONE), "run", FAILS, subject=FIRST),
    _target("T1w", "scan", lambda s: s.scan(_ONE, "T1w"), "run", FAILS, DOUBT, subject=FIRST),
    _target("T2w of a finished run", "scan", lambda s: s.scan(_ONE), "again", FAILS,
            subject=FIRST),
    _target("sidecar of a scan", "json",
            lambda s: s.scan(_ONE).with_suffix("").with_suffix(".json"), "run", FAILS, DOUBT, SAID,
            EQUAL, REFUSED, subject=FIRST),
    _target("nuclei in derivatives", "labels", lambda s: s.truth(_ONE, "aseg_dseg"), "run", FAILS,
            subject=FIRST),
    _target("ages", "tsv", lambda s: s.root / "bids" / "participants.tsv", "dry-run", FAILS,
            REFUSED, SAID, words=AGED),
    _target("units of ages", "json", lambda s: s.root / "bids" / "participants.json", "dry-run",
            FAILS, REFUSED, SAID, words=AGED),
    _target("description of the dataset", "json",
            lambda s: s.root / "bids" / "dataset_description.json", "dry-run", REFUSED, FAILS,
            DOUBT, SAID, EQUAL),
    _target("filter", "json", lambda s: s.root / "filter.json", "why", REFUSED,
            names=("--bids-filter-file",), words=("--bids-filter-file", "filter.json")),
    _target("plugin file", "yaml", lambda s: s.root / "plugin.yml", "why", REFUSED,
            names=("--use-plugin", "Unknown plugin"), words=("--use-plugin", "plugin.yml")),
    _target("settings", "toml", lambda s: s.root / "run.toml", "config", REFUSED,
            names=("--config", "BIDS_DIR")),
    _target("recipe", "toml", lambda s: s.root / "recipe.toml", "train", REFUSED),
    _target("experiment", "toml", lambda s: s.root / "experiment.toml", "compare", REFUSED),
    _target("protocol", "toml", lambda s: s.root / "scanner.toml", "simulate", REFUSED),
    _target("metadata of the model", "json",
            lambda s: s.root / "model" / "configs" / "metadata.json", "why", REFUSED,
            names=("model",)),
    _target("coarse weights", "weights", lambda s: s.root / "model" / "models" / "coarse.pt",
            "run", REFUSED, FAILS, EQUAL, names=("model",)),
    _target("PVS weights", "weights",
            lambda s: sorted((s.root / "model" / "models").glob("*pvs*"))[0], "run", REFUSED, FAILS,
            names=("model",)),
    _target("weights to fine-tune", "weights",
            lambda s: sorted((s.root / "model" / "models").glob("*pvs*"))[0], "finetune", REFUSED,
            FAILS, names=("model",)),
    _target("image of an atlas", "scan", lambda s: s.root / "atlas" / "tiny_T2w.nii.gz",
            "atlas add", REFUSED, FAILS),
    _target("labels of an atlas", "labels", lambda s: s.root / "atlas" / "tiny_dseg.nii.gz",
            "atlas add", REFUSED, FAILS),
    _target("label table", "tsv", lambda s: s.root / "atlas" / "labels.tsv", "atlas add", REFUSED,
            FAILS, names=("--labels",)),
    _target("imported atlas", "json", lambda s: next((s.root / "atlases").rglob("*.json")),
            "atlas show", REFUSED, FAILS, names=("tiny",)),
    _target("atlas among others", "json", lambda s: next((s.root / "atlases").rglob("*.json")),
            "atlas list", REFUSED, FAILS, SAID, names=("tiny",)),
    _target("label map to draw from", "labels", lambda s: s.truth(_ONE, "aseg_dseg"), "simulate",
            REFUSED, FAILS, names=("--from-dseg",),
            words=("--from-dseg", f"truth/{FIRST}/anat/{FIRST}_desc-aseg_dseg.nii.gz")),
    _target("uncertainty", "scan", lambda s: s.result(_ONE, "desc-uncertainty_probseg.nii.gz"),
            "suggest", FAILS, subject=FIRST),
    _target("labels of a run", "labels", lambda s: s.result(_ONE, "desc-bgpvs_dseg.nii.gz"),
            "suggest", FAILS, subject=FIRST),
    _target("table of a subject, to suggest", "tsv",
            lambda s: s.result(_ONE, "desc-bgpvs_morph.tsv"), "suggest", FAILS, subject=FIRST),
    _target("table of a subject, for the group", "tsv",
            lambda s: s.result(_ONE, "desc-bgpvs_morph.tsv"), "group", FAILS, subject=FIRST),
    _target("prediction", "labels", lambda s: s.result(_ONE, "desc-bgpvs_dseg.nii.gz"),
            "evaluate", FAILS, subject=FIRST),
    _target("reference", "labels", lambda s: s.truth(_ONE, "bgpvs_dseg"), "evaluate", FAILS,
            subject=FIRST),
    _target("given labels", "labels", lambda s: s.truth(_ONE, "bgpvs_dseg"), "finetune", FAILS,
            REFUSED, subject=FIRST),
    _target("scan to fine-tune on", "scan", lambda s: s.scan(_ONE), "finetune", FAILS, REFUSED,
            subject=FIRST),
    _target("scan to validate on", "scan", lambda s: s.scan(_ONE), "validate", FAILS, REFUSED,
            subject=FIRST),
    _target("nuclei to validate with", "labels", lambda s: s.truth(_ONE, "aseg_dseg"), "validate",
            FAILS, REFUSED, subject=FIRST),
    _target("ledger, why", "json", lambda s: _ledger(s, f"{FIRST}.json"), "why", SAID,
            names=(FIRST,)),
    _target("ledger, status", "json", lambda s: _ledger(s, f"{FIRST}.json"), "status", FAILS,
            names=(FIRST,), subject=FIRST),
    _target("ledger, run", "json", lambda s: _ledger(s, f"{FIRST}.json"), "again", EQUAL, SAID,
            names=(FIRST,)),
    _target("failure", "json", lambda s: _ledger(s, f"{FIRST}.failed.json"), "status", EQUAL,
            FAILS, SAID, names=(FIRST,)),
    _target("lock", "text", lambda s: _ledger(s, f"{FIRST}.lock"), "status", EQUAL, FAILS, SAID,
            REFUSED, names=(FIRST,)),
    _target("lock of a run", "text", lambda s: _ledger(s, f"{FIRST}.lock"), "run", EQUAL, FAILS,
            SAID, REFUSED, names=(FIRST,)),
    _target("submission", "json", lambda s: _log(s, "submission.json"), "status", EQUAL, SAID,
            FAILS),
    _target("submission, submit", "json", lambda s: _log(s, "submission.json"), "submit", EQUAL,
            SAID, REFUSED),
    _target("settings of the last run", "toml", lambda s: _log(s, "config.toml"), "status",
            REFUSED, names=("no logs",)),
    _target("description of the results", "json",
            lambda s: s.root / "out" / "dataset_description.json", "suggest", REFUSED, FAILS,
            EQUAL, SAID),
    _target("description of derivatives", "json",
            lambda s: s.root / "truth" / "dataset_description.json", "why", REFUSED, EQUAL, SAID,
            FAILS),
    _target("table of all", "tsv", lambda s: s.root / "out" / "group_bgpvs.tsv", "group", EQUAL,
            SAID, FAILS, REFUSED),
)  # fmt: skip
ANY = (REFUSED, FAILS, DOUBT, SAID, EQUAL, CHANGED)


def targets(*formats: str) -> list[Target]:
    """Return the targets of some formats."""
    return [target for target in TARGETS if target.format in formats]
