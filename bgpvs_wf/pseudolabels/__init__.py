"""Pseudo-labels: where the basal ganglia are, and which bright tubes in them are PVS."""

from bgpvs_wf.pseudolabels.labelling import PseudoLabels, synthesise_pseudolabels

__all__ = ["PseudoLabels", "synthesise_pseudolabels"]
