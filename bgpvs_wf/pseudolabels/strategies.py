"""The ways to find perivascular spaces: informed by anatomy, and the published simple rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.imaging.geometry import Grid, resample, voxel_sizes
from bgpvs_wf.pseudolabels import simple
from bgpvs_wf.pseudolabels.candidates import Candidate, find_candidates
from bgpvs_wf.pseudolabels.chance import Chance, false_discovery, fit_chance, seed_level
from bgpvs_wf.pseudolabels.evidence import (
    FLUID_SIGN,
    Evidence,
    excess_over_tissue,
    gather_evidence,
    scales_for,
)
from bgpvs_wf.pseudolabels.outline import fluid_contrast, outline, to_home
from bgpvs_wf.pseudolabels.region import Region, find_region, working_grid
from bgpvs_wf.pseudolabels.rules import RULES, Rule, refusal

GROW_TAIL = 0.1
"""Voxels join a candidate where evidence is as rare as this share of chance maxima (chosen)."""
REFUSED_SUSPICION = 0.5
"""Chance that a refused candidate at the seed level is a tube after all (chosen)."""


@dataclass(frozen=True)
class Scene:
    """What is given of a subject, cropped to the box around the nuclei; arrays of its shape."""

    images: dict[str, np.ndarray]
    """`T2w`, `T1w` or both; the first leads."""
    anatomy: np.ndarray
    nuclei: np.ndarray
    mask: np.ndarray
    """The basal ganglia as reported."""
    bg_region: str
    box: Grid

    @property
    def leading(self) -> str:
        """Name of the leading contrast."""
        return next(iter(self.images))


@dataclass(frozen=True)
class Found:
    """What a strategy finds, on the grid of the box; `label_confidence` says what for."""

    tubes: np.ndarray
    response: np.ndarray
    false_share: np.ndarray
    certainty: np.ndarray
    suspect: np.ndarray
    record: dict[str, Any]


@dataclass(frozen=True)
class _Search:
    """Candidates on the working grid, and the verdict on each."""

    region: Region
    evidence: Evidence
    fluid: float
    chance: Chance
    labels: np.ndarray
    candidates: list[Candidate]
    reasons: list[str | None]
    """Why each was refused; None for the kept."""
    eligible: np.ndarray
    """Peaks of the candidates that no rule refuses."""
    seed: float
    grow: float


def filter_strategy(scene: Scene, config: PseudolabelConfig) -> Found:
    """Find tubes by the published simple rule; see `bgpvs_wf.pseudolabels.simple`."""
    name = scene.leading
    response, threshold = simple.simple_rule(scene.images[name], scene.mask, FLUID_SIGN[name] > 0)
    tubes = simple.open_tubes(response, threshold, scene.mask)
    beyond = response / max(threshold, 1e-12)
    return Found(
        tubes=tubes,
        response=response,
        # The rule knows no chance; the further beyond its threshold, the surer (chosen).
        false_share=np.exp2(-beyond),
        certainty=np.ones(tubes.shape),
        suspect=np.where(scene.mask & ~tubes, np.clip(beyond / 2, 0, 0.5), 0),
        record={"threshold": threshold},
    )


def anatomy_strategy(scene: Scene, config: PseudolabelConfig) -> Found:
    """Find tubes by evidence over chance inside the nuclei, and rules of anatomy and shape."""
    return _found(scene, config, RULES)


def vesselness_strategy(scene: Scene, config: PseudolabelConfig) -> Found:
    """Find tubes by evidence over chance alone: what the rules are worth is the difference."""
    return _found(scene, config, ())


def _found(scene: Scene, config: PseudolabelConfig, rules: tuple[Rule, ...]) -> Found:
    search = _search(scene, config, rules)
    found = _carry_home(search, scene)
    record = {
        "working_voxel_mm": [round(float(v), 4) for v in voxel_sizes(search.region.grid.affine)],
        "scales_mm": list(_scales(scene, config)),
        "chance": asdict(search.chance),
        "seed_level": search.seed,
        "grow_level": search.grow,
        "fluid_contrast": search.fluid,
        "candidates": len(search.candidates),
        "kept": search.reasons.count(None),
        "refused": _counts(search.reasons),
    }
    return Found(**found, record=record)


def _scales(scene: Scene, config: PseudolabelConfig) -> tuple[float, ...]:
    return scales_for(config.scales_mm, float(voxel_sizes(scene.box.affine).mean()))


def _search(scene: Scene, config: PseudolabelConfig, rules: tuple[Rule, ...]) -> _Search:
    box, target = scene.box, working_grid(scene.box)
    fine = {
        name: image if target is box else resample(image, box.affine, target, order=3)
        for name, image in scene.images.items()
    }
    sign = FLUID_SIGN[scene.leading]
    region = find_region(
        scene.anatomy, scene.nuclei, box, target, scene.bg_region, fine[scene.leading], sign > 0
    )
    excesses = {name: excess_over_tissue(FLUID_SIGN[name] * fine[name], region) for name in fine}
    excess = excesses[scene.leading][0]
    fluid = fluid_contrast(excess, region.csf)
    evidence = gather_evidence(excesses, region, _scales(scene, config))
    chance = fit_chance(evidence.opposite, target.affine, region.interior, region.search)
    grow = chance.level(GROW_TAIL * 2 * chance.count)
    labels, candidates = find_candidates(evidence.fluid, excess, fluid, region, grow, config.rim_mm)
    reasons = [refusal(c, config, rules) for c in candidates]
    eligible = np.array([c.peak for c, r in zip(candidates, reasons, strict=True) if r is None])
    seed = max(seed_level(chance, eligible, config.false_discovery_rate), grow)
    reasons = [
        "too_faint" if r is None and c.peak < seed else r
        for c, r in zip(candidates, reasons, strict=True)
    ]
    return _Search(
        region, evidence, fluid, chance, labels, candidates, reasons, eligible, seed, grow
    )


def _counts(reasons: list[str | None]) -> dict[str, int]:
    counts = Counter(reasons)
    return {name: counts[name] for name in [*(rule.__name__ for rule in RULES), "too_faint"]}


def _carry_home(search: _Search, scene: Scene) -> dict[str, np.ndarray]:
    """Outline the kept candidates on the grid of the box; return the arrays of `Found`."""
    working, box = search.region.grid, scene.box
    size = len(search.candidates) + 1
    truth, suspicion = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for candidate, reason in zip(search.candidates, search.reasons, strict=True):
        if reason is None:
            rate = float(false_discovery(search.chance, search.eligible, candidate.peak))
            truth[candidate.index] = max(1 - rate, 1e-3)
        else:
            strength = min(candidate.peak / search.seed, 1.0)
            suspicion[candidate.index] = REFUSED_SUSPICION * strength**2
    # Voxels beside the core take the certainty of the core.
    of_core = to_home(truth[search.labels], working, box)
    image = FLUID_SIGN[scene.leading] * scene.images[scene.leading]
    core = of_core > 0
    drawn = outline(image, core, scene.mask | core, search.fluid, box.affine)
    return {
        "tubes": drawn.mask,
        "response": to_home(search.evidence.fluid, working, box),
        "false_share": 1 - ndimage.grey_dilation(of_core, size=(3, 3, 3)),
        "certainty": drawn.certainty,
        "suspect": to_home(suspicion[search.labels], working, box),
    }


STRATEGIES = {
    "anatomy": anatomy_strategy,
    "vesselness": vesselness_strategy,
    "filter": filter_strategy,
}
"""Name, as `PseudolabelConfig.strategy` has it, to function."""
