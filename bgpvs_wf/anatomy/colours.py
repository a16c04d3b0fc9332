"""The colours of structures, the same on pages, in label tables and in the files for viewers.

Nuclei and PVS are told apart with any colour vision: the palette of Okabe & Ito (2008,
jfly.uni-koeln.de/color), brightened for outlines on grey; the thalamus, which is no BG, is grey.
"""

from __future__ import annotations

PVS_COLOUR = "#F0E442"
BG_COLOUR = "#0072B2"
COLOURS: dict[str, str] = {
    "Caudate": "#56B4E9",
    "Putamen": "#E8602C",
    "Pallidum": "#1FC29A",
    "Lentiform": "#E8602C",
    "Accumbens": "#E79AC6",
    "Thalamus": "#C9C9C9",
}
"""Structure to colour."""
_TISSUES: dict[str, str] = {
    "WM": "#F5F5F0",
    "cortex": "#B0606A",
    "ventricle": "#3C50C8",
    "CSF": "#3C3C8C",
    "deepGM": "#8C6E46",
    "limbic": "#DCD814",
    "brainstem": "#779FB0",
    "cerebellum": "#B98A3C",
}
"""Tissue to the colour of all its structures that have none of their own (chosen)."""


def structure_colour(name: str, tissue: str) -> str:
    """Return the colour of a structure.

    Parameters
    ----------
    name : str
        FreeSurfer's, with or without its side.
    tissue : str
        See `bgpvs_wf.anatomy.labels.Region`.

    Examples
    --------
    >>> structure_colour("Left-Accumbens-area", "BG"), structure_colour("CSF", "CSF")
    ('#E79AC6', '#3C3C8C')
    """
    own = name.removeprefix("Left-").removeprefix("Right-").removesuffix("-area")
    return COLOURS.get(own) or _TISSUES[tissue]


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a colour as BIDS and HTML write it.

    Examples
    --------
    >>> rgb("#F0E442")
    (240, 228, 66)
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
