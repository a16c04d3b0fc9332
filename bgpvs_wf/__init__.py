"""Perivascular spaces of the basal ganglia in infant MRI: segment them, measure them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf._version import __version__
from bgpvs_wf.config import RunConfig

if TYPE_CHECKING:
    from bgpvs_wf.api import (
        Observer,
        Segmentation,
        associate,
        change,
        compare,
        evaluate,
        finetune,
        norms,
        run,
        segment,
        simulate,
        train,
        validate,
    )
    from bgpvs_wf.bids.inputs import SubjectInputs
    from bgpvs_wf.bids.query import find_subjects
    from bgpvs_wf.learning.models.bundle import find_model
    from bgpvs_wf.workflows.anatomy import init_anatomy_wf
    from bgpvs_wf.workflows.base import init_bgpvs_wf
    from bgpvs_wf.workflows.group import init_group_wf
    from bgpvs_wf.workflows.longitudinal import init_longitudinal_wf
    from bgpvs_wf.workflows.predict import init_predict_wf
    from bgpvs_wf.workflows.prepare import init_prepare_wf
    from bgpvs_wf.workflows.pseudolabel import init_pseudolabel_wf
    from bgpvs_wf.workflows.quantify import init_quantify_wf
    from bgpvs_wf.workflows.sink import init_sink_wf
    from bgpvs_wf.workflows.subject import init_subject_wf

__all__ = [
    "Observer", "RunConfig", "Segmentation", "SubjectInputs", "__version__", "associate",
    "change", "compare", "evaluate", "find_model", "find_subjects", "finetune",
    "init_anatomy_wf", "init_bgpvs_wf", "init_group_wf", "init_longitudinal_wf",
    "init_predict_wf", "init_prepare_wf", "init_pseudolabel_wf", "init_quantify_wf",
    "init_sink_wf", "init_subject_wf", "norms", "run", "segment", "simulate", "train",
    "validate",
]  # fmt: skip

for _folder in ("data", "interfaces", "workflows"):
    if Path(__file__).with_name(_folder).is_file():
        raise ImportError(
            f"bgpvs_wf/{_folder} is a file where a link to the folder {_folder} should be: this "
            "checkout was made without symbolic links. Clone it with "
            "`git clone -c core.symlinks=true`, or install the package."
        )

_PLACES = {
    "SubjectInputs": "bids.inputs",
    "find_subjects": "bids.query",
    "find_model": "learning.models.bundle",
    "init_bgpvs_wf": "workflows.base",
    **{
        f"init_{stage}_wf": f"workflows.{stage}"
        for stage in (
            "anatomy",
            "group",
            "longitudinal",
            "predict",
            "prepare",
            "pseudolabel",
            "quantify",
            "sink",
            "subject",
        )
    },
}
"""Where names are that are not of `bgpvs_wf.api`."""


def __getattr__(name: str) -> Any:
    # Nipype and torch take seconds to import, which those who only read a version need not wait.
    if name in __all__:
        return getattr(importlib.import_module(f"bgpvs_wf.{_PLACES.get(name, 'api')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # So that Tab finds what is not imported yet.
    return sorted({*globals(), *__all__})
