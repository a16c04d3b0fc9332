"""Perivascular spaces of the basal ganglia in infant MRI: segment them, measure them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bgpvs_wf._version import __version__
from bgpvs_wf.config import RunConfig

if TYPE_CHECKING:
    from nipype import Workflow

    from bgpvs_wf.bids.inputs import SubjectInputs

__all__ = ["RunConfig", "__version__", "init_bgpvs_wf"]


def init_bgpvs_wf(config: RunConfig, subjects: Sequence[SubjectInputs] | None = None) -> Workflow:
    """Build the workflow of a cohort; see `bgpvs_wf.workflows.base.init_bgpvs_wf`."""
    # Nipype takes a second to import, which those who only read a version need not wait for.
    from bgpvs_wf.workflows import base

    return base.init_bgpvs_wf(config, subjects)
