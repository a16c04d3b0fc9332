"""Label tables of published segmentations.

Left out for want of a published source: the regional parcellation of the CRL fetal atlas
(``*_regional``); give its label key as a table file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bgpvs_wf.anatomy.label_names import FILL
from bgpvs_wf.anatomy.labels import REGIONS


@dataclass(frozen=True)
class LabelTable:
    """How one source numbers its labels."""

    name: str
    mapping: dict[int, int] = field(repr=False)
    """Index of the source to harmonised index; 0 is background, `FILL` goes to its neighbours."""
    signature: tuple[frozenset[int], ...] = ()
    """The source is recognised if all labels of one of these sets are there."""


def _sets(*groups: Iterable[int]) -> tuple[frozenset[int], ...]:
    return tuple(frozenset(group) for group in groups)


def _freesurfer() -> LabelTable:
    """Return FreeSurfer's table: aseg, aparc+aseg, wmparc, and the harmonised labels themselves.

    Numbers of FreeSurferColorLUT.txt (FreeSurfer 6 and later). "Vessel" and "undetermined" have
    no tissue of their own, nor have hypointensities outside the white matter.
    """
    mapping = {index: index for index in REGIONS} | {0: 0}
    for group, target in (
        ((5, 31), 4), ((44, 63), 43), ((9,), 10), ((48,), 49), ((72, 122, 257), 24),
        ((19, 20), 3), ((55, 56), 42), ((27,), 28), ((59,), 60), ((96,), 18), ((97,), 54),
        ((73, 78, 155, 157, 159, 161), 2), ((74, 79, 156, 158, 160, 162), 41),
        ((77, 219, 250), 219), ((163, 164), 9010), ((170, 173, 174, 175), 16), ((177,), 172),
        ((251, 252, 253, 254, 255), 192), ((221,), 213),
        ((29, 30, 61, 62, 80, 81, 82), FILL),
        ((85, 165, 258, 259), 0),
        (range(1000, 1036), 3), (range(2000, 2036), 42), (range(11100, 11176), 3),
        (range(12100, 12176), 42), (range(3000, 3036), 2), (range(4000, 4036), 41),
        ((5001,), 2), ((5002,), 41),
    ):  # fmt: skip
        mapping.update(dict.fromkeys(group, target))
    pairs = ((9, 48), (10, 49), (11, 50), (12, 51), (13, 52), (9012, 9051))
    return LabelTable("aseg", mapping, _sets(*pairs))


def _drawem87() -> LabelTable:
    """Return Draw-EM's 87 labels (dHCP "all labels", ``desc-drawem87_dseg``).

    Source: label_names/ALBERT/all_labels.csv of the repository MIRTK/DrawEM (Makropoulos et al.,
    IEEE Trans Med Imaging 2014, doi 10.1109/TMI.2014.2322280). Putamen and pallidum are one.
    """
    mapping = {0: 0, 19: 16, 48: 192, 49: 4, 50: 43, 83: 24, 84: 0, 85: 0}
    # In the temporal lobe left comes first, elsewhere right.
    for first, last, one, other in (
        (1, 2, 17, 53), (3, 4, 18, 54), (5, 16, 3, 42), (17, 18, 8, 47), (20, 39, 42, 3),
        (40, 41, 50, 11), (42, 43, 49, 10), (44, 45, 60, 28), (46, 47, 9051, 9012),
        (51, 62, 2, 41), (63, 82, 41, 2), (86, 87, 49, 10),
    ):  # fmt: skip
        mapping.update({i: (one, other)[(i - first) % 2] for i in range(first, last + 1)})
    return LabelTable("drawem87", mapping, _sets((40, 41, 46, 47)))


def _drawem9() -> LabelTable:
    """Return Draw-EM's 9 tissues: deep grey matter in one, no single nuclei, no sides.

    Source: label_names/ALBERT/tissue_labels.csv of the repository MIRTK/DrawEM.
    """
    mapping = {0: 0, 1: 24, 2: 220, 3: 219, 4: 0, 5: 213, 6: 9008, 7: 9010, 8: 16, 9: 9017}
    return LabelTable("drawem9", mapping, _sets((1, 2, 3, 7)))


def _mcrib() -> LabelTable:
    """Return M-CRIB's table (Alexander et al., NeuroImage 2017).

    Source: M-CRIB_labels_ITK_format.txt of the repository DevelopmentalImagingMCRI/M-CRIB_atlas,
    and label_names/MCRIB/all_labels.csv of MIRTK/DrawEM, which adds 4000. "Subcortical matter"
    (89, 92) is the capsule and what else lies between the nuclei: white matter here.
    """
    mapping = {i: i for i in (2, 4, 11, 12, 13, 14, 15, 17, 18, 24, 26, 28)}
    mapping |= {i: i for i in (41, 43, 50, 51, 52, 53, 54, 58, 60, 192)}
    mapping |= {0: 0, 9: 10, 48: 49, 75: 172, 76: 172, 90: 172, 91: 8, 93: 47, 89: 41, 92: 2}
    mapping |= {170: 16, 4000: 0}
    mapping |= dict.fromkeys(range(1000, 1036), 3) | dict.fromkeys(range(2000, 2036), 42)
    nuclei = (11, 12, 13, 50, 51, 52)
    return LabelTable("mcrib", mapping, _sets((*nuclei, 89, 92), (*nuclei, 91, 93)))


def _crl() -> LabelTable:
    """Return the tissue labels of the CRL fetal atlases (``STA30_tissue``, CRL-2025).

    Gholipour et al., Sci Rep 2017, doi 10.1038/s41598-017-00525-w. Numbers: 4compute-STAkey.txt
    of the laboratory's repository IntelligentImaging/t2-recon-pipeline; 95 and 125 (mostly
    internal capsule) from tissue_to_MR.m of the FaBiAN phantom (Lajous et al., Sci Rep 2022,
    doi 10.1038/s41598-022-10335-4). 73 and 74 are called putamen there and lentiform in the
    laboratory's key, which is followed; they contain the pallidum.
    """
    mapping = {0: 0, 91: 192, 94: 16, 95: 16, 110: 219, 111: 219, 124: 24, 125: 219, 128: 24}
    mapping |= {129: 14, 130: 15, 131: 172}
    for left, target in (
        (37, 17), (41, 18), (71, 11), (73, 9012), (77, 10), (92, 4), (100, 8), (108, 28),
        (112, 3), (114, 2), (116, 2), (118, 2), (120, 2), (122, 2), (126, 2),
    ):  # fmt: skip
        mapping |= {left: target, left + 1: REGIONS[target].mirror}
    return LabelTable("crl", mapping, _sets((71, 72, 73, 74)))


def known_tables() -> dict[str, LabelTable]:
    """Return the published tables by name, in the order in which they are tried."""
    tables = (_freesurfer(), _mcrib(), _drawem87(), _crl(), _drawem9())
    return {table.name: table for table in tables}
