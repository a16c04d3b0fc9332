"""What a run would do with each subject, found without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bgpvs_wf.bids.derivatives import expected_outputs
from bgpvs_wf.bids.inputs import SubjectInputs
from bgpvs_wf.config import RunConfig
from bgpvs_wf.engine.jobs import Job
from bgpvs_wf.engine.ledger import Ledger
from bgpvs_wf.engine.preview import stages_to_run
from bgpvs_wf.engine.runner import Factory, write_missing_again
from bgpvs_wf.errors import BGPVSError


@dataclass(frozen=True)
class Forecast:
    """What would be done with a subject."""

    subject: SubjectInputs
    stages: Mapping[str, bool]
    """Stage to whether it would run; none where the subject is finished, or cannot run."""
    why: str
    cannot: bool = False
    """It cannot run."""


def forecast(
    config: RunConfig, subjects: Sequence[SubjectInputs], factory: Factory
) -> tuple[list[Forecast], Any | None]:
    """Tell what would be done with each subject.

    Parameters
    ----------
    config : RunConfig
    subjects : sequence of SubjectInputs
    factory : callable
        Builds the workflow of some subjects; see `bgpvs_wf.engine.runner.CohortRunner`.

    Returns
    -------
    forecasts : list of Forecast
    workflow : nipype.Workflow or None
        One to draw: the first that can be built.
    """
    ledger = Ledger.of(config.output_dir)
    forecasts, first = [], None
    for subject in subjects:
        outputs = expected_outputs(config, subject)
        reasons = ledger.reasons(config, subject, outputs)
        stages: Mapping[str, bool] = {}
        why, cannot = "; ".join(reasons) or "finished", False
        if reasons or first is None:
            try:
                workflow = factory(config, [subject])
                first = first or workflow
                if reasons:
                    write_missing_again(workflow, [Job(subject, outputs)])
                    (stages,) = stages_to_run(workflow).values()
            except BGPVSError as error:
                if reasons:  # who is finished needs no workflow
                    why, cannot = f"cannot run: {error}", True
        forecasts.append(Forecast(subject, stages, why, cannot))
    return forecasts, first
