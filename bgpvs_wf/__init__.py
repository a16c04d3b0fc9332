"""Perivascular spaces of the basal ganglia in infant MRI: segment them, measure them."""

from bgpvs_wf._version import __version__
from bgpvs_wf.config import RunConfig

__all__ = ["RunConfig", "__version__"]
