"""The digital reference object: a synthetic infant of known geometry."""

from bgpvs_wf.phantom.dataset import simulate_dataset
from bgpvs_wf.phantom.subject import SyntheticInfant, simulate_subject

__all__ = ["SyntheticInfant", "simulate_dataset", "simulate_subject"]
