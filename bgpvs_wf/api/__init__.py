"""What the program does, called from Python: the verbs of the command line, and their results.

Nothing is printed; an `Observer` is told what goes on. What cannot be done raises a `BGPVSError`
with one line that says what is wrong, where, and what to do.
"""

from __future__ import annotations

from bgpvs_wf.api.cohort import associate, change, norms
from bgpvs_wf.api.datasets import run, simulate
from bgpvs_wf.api.training import compare, evaluate, finetune, train, validate
from bgpvs_wf.studies.observer import Observer
from bgpvs_wf.studies.single import Segmentation, segment

__all__ = [
    "Observer", "Segmentation", "associate", "change", "compare", "evaluate", "finetune", "norms",
    "run", "segment", "simulate", "train", "validate",
]  # fmt: skip
