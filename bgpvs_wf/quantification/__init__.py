"""Measures of the basal ganglia and their perivascular spaces, per nucleus and per PVS."""

from bgpvs_wf.quantification.columns import (
    COLUMNS,
    OBJECT_COLUMNS,
    REGION_COLUMNS,
    mark_sides,
    sidecar,
)
from bgpvs_wf.quantification.group import collect_group_table, write_tsv
from bgpvs_wf.quantification.measures import Measurements, measure

__all__ = [
    "COLUMNS",
    "OBJECT_COLUMNS",
    "REGION_COLUMNS",
    "Measurements",
    "collect_group_table",
    "mark_sides",
    "measure",
    "sidecar",
    "write_tsv",
]
