"""The technical words of a subject's page, in plain ones."""

from __future__ import annotations

import re
from html import escape

GLOSSARY: dict[str, str] = {
    "PVS": "Perivascular space: a thin space filled with fluid around a small vessel in the brain.",
    "Basal ganglia": "Here caudate, putamen, pallidum and accumbens; the thalamus only where that "
    "is said.",
    "T1w, T2w": "T1-weighted and T2-weighted scan. Fluid is dark on the one, bright on the other.",
    "Post-menstrual age": "Weeks since the mother's last menstrual period: gestation at birth and "
    "the age since then. Birth at term is at 40 weeks.",
    "R, L, A, P, S, I": "Right, left, anterior, posterior, superior (up), inferior (down) of the "
    "patient.",
    "Volume (tubes)": "What PVS take up, whatever the brightness of their fluid: to compare "
    "infants by. Without addition, the volume is that of the voxels called PVS.",
    "Partial volume": "A voxel at a border that holds a part of either side.",
    "Probability": "How likely something is to the network, from 0 to 1. Voxels count as PVS "
    "from the threshold on.",
    "Found again": "Present, too, where the same scan is cut into voxels half a voxel off. What "
    "is not hangs on how the voxels happened to lie.",
    "Centile": "How many of 100 infants of the norms, at this age, have less. 50 is the middle.",
    "Sureness": "The network's mean probability where it found the nuclei, from 0 to 1.",
    "Uncertainty": "How evenly the network's probability is spread over rest, basal ganglia and "
    "PVS (entropy): 0 none, 1 as much as can be.",
    "Tortuosity": "Length over the distance from tip to tip: 1 is straight.",
    "SNR": "Signal-to-noise ratio: how many times the noise the signal is.",
    "CNR": "Contrast-to-noise ratio: the difference of two tissues over the noise.",
    "FWHM": "Full width at half maximum: how far a point is smeared, in mm. The larger, the more "
    "blurred.",
    "Bias field": "A slow change of brightness across the image that is not of the brain; it is "
    "corrected (N4).",
    "Ripples": "Fine structure that repeats along an axis, as after motion.",
    "Registration": "Moving one image until it lies on another.",
    "Dice": "Overlap of two outlines: 0 none, 1 the same.",
    "Vesselness": "How much the surroundings of a voxel look like a tube, by the curvature of "
    "their brightness (Hessian filter).",
    "Hull": "The nuclei as seen in the whole head, coarsely, before they are outlined.",
    "dseg": "In file names: a map of labels, a number in each voxel.",
    "SHA-256": "A fingerprint of the model's files: the same only for the same model.",
}
"""Word to meaning, in the order of reading."""

_INLINE = (
    "post-menstrual", "tortuosity", "partial volume", "SNR", "CNR", "FWHM", "bias field", "Dice",
    "sureness", "centile", "uncertainty", "vesselness", "SHA-256", "hull",
)  # fmt: skip
"""Words that are explained where they stand."""
_MEANINGS = {
    word.lower(): next(v for k, v in GLOSSARY.items() if k.lower().startswith(word.lower()))
    for word in _INLINE
}
_WORD = re.compile(rf"\b(?:{'|'.join(map(re.escape, _INLINE))})\b", re.I)


def explained(text: str) -> str:
    """Return text as HTML, each technical word with its meaning where it stands first.

    Examples
    --------
    >>> explained("a Dice < 0.9")
    'a <abbr title="Overlap of two outlines: 0 none, 1 the same.">Dice</abbr> &lt; 0.9'
    """
    told: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        word = match[0].lower()
        if word in told:
            return match[0]
        told.add(word)
        return f'<abbr title="{escape(_MEANINGS[word])}">{match[0]}</abbr>'

    return _WORD.sub(mark, escape(text))
