"""What is validated, on which scans, and where its parts go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bgpvs_wf.config import RunConfig


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is validated, on which scans."""

    bids_dir: Path
    out: Path
    participants: tuple[str, ...] = ()
    """Labels; none means all."""
    cases: int = 5
    """Hybrids of each scan."""
    seed: int = 1
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    """Name to folder: where the nuclei of the scans may be."""
    atlases: tuple[str, ...] = ()
    """To find the nuclei with where they are not."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `RunConfig`: what segments."""
    diameters_mm: tuple[float, float] = (0.4, 1.8)
    """Of the tubes, drawn evenly: from what nobody sees to what everybody does, so that the curve
    between is known at both ends (chosen)."""

    fill: tuple[float, float] = (0.3, 1.0)
    """Of the tubes' signal, on its way from tissue to fluid: from what is hardly seen to all of it
    (chosen; PVS of three infants reach 0.44 at their peak)."""

    @property
    def hybrids(self) -> Path:
        """The dataset of scans with tubes put in."""
        return self.out / "hybrids"

    @property
    def truth(self) -> Path:
        """What is true of the hybrids."""
        return self.hybrids / "derivatives" / "truth"

    @property
    def finds_nuclei_by(self) -> str:
        """The source of the nuclei where they are not given; see `AnatomyConfig`."""
        segmentation = self.settings.get("segmentation", RunConfig.segmentation)
        return "atlas" if self.atlases or segmentation == "pseudolabel" else "auto"

    @property
    def results(self) -> Path:
        """What the pipeline makes of the hybrids."""
        return self.out / "results"
