"""Named rules that refuse candidates which are not perivascular spaces.

Each rule is one function of a `Candidate` and the `PseudolabelConfig`; it returns True to refuse.
`RULES` gives their order: the first that refuses is the reason that is counted.
"""

from __future__ import annotations

from collections.abc import Callable

from bgpvs_wf.config import PseudolabelConfig
from bgpvs_wf.pseudolabels.candidates import Candidate

Rule = Callable[[Candidate, PseudolabelConfig], bool]


def outside_nuclei(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what lies mostly outside the basal ganglia."""
    return candidate.in_region < 2 / 3


def too_short(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what is shorter than `min_length_mm`: noise has no length."""
    return candidate.length_mm < config.min_length_mm


def touches_csf(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what lies along ventricle or CSF, its edge rather than a tube beside it.

    A tube may begin at the cistern below the nuclei; only a third of it may touch.
    """
    return candidate.near_csf > 1 / 3


def sheet_or_edge(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what does not fall off to all sides: a sheet, or the edge of something bright."""
    return candidate.isolation < config.min_isolation


def along_rim(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what runs along in the region's rim and is not clearly a tube, or too short for one.

    There lie the edges of bright neonatal white matter and of the internal and external capsule,
    and small pockets of fluid between the nuclei and what is around them.
    """
    in_rim = candidate.on_rim > 0.6 and candidate.along_rim > 0.5
    unclear = candidate.isolation < config.min_rim_isolation
    return in_rim and (unclear or candidate.length_mm < config.min_rim_length_mm)


def blob(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what is about as wide as long: a cyst, a lesion, a clump of noise."""
    return candidate.elongation < config.min_elongation


def no_fluid(candidate: Candidate, config: PseudolabelConfig) -> bool:
    """Refuse what hardly exceeds the tissue around, however regular: texture, thin grey matter."""
    return candidate.contrast < config.min_contrast


RULES: tuple[Rule, ...] = (
    outside_nuclei,
    touches_csf,
    too_short,
    blob,
    sheet_or_edge,
    along_rim,
    no_fluid,
)


def refusal(
    candidate: Candidate, config: PseudolabelConfig, rules: tuple[Rule, ...] = RULES
) -> str | None:
    """Return the name of the first rule that refuses a candidate, or None."""
    return next((rule.__name__ for rule in rules if rule(candidate, config)), None)
