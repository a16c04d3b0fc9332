"""Predictions against references: overlap, objects, detection, agreement, comparison."""

from bgpvs_wf.evaluation.cohort import evaluate, tables_from_cases
from bgpvs_wf.evaluation.publication_table import paper_table
from bgpvs_wf.evaluation.score_tables import EvaluationTables, write_tables
from bgpvs_wf.evaluation.scoring import ReferenceCase, score_case

__all__ = [
    "EvaluationTables",
    "ReferenceCase",
    "evaluate",
    "paper_table",
    "score_case",
    "tables_from_cases",
    "write_tables",
]
