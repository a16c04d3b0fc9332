"""The harmonised anatomy labels: FreeSurfer aseg indices, with a few of our own.

Indices and names are those of FreeSurfer's colour table (FreeSurferColorLUT.txt; Fischl et al.,
Neuron 2002, doi 10.1016/S0896-6273(02)00569-X). Sources without sides or without a split of the
lentiform nucleus need labels FreeSurfer has not: 9008, 9010, 9012, 9017 and 9051, chosen where
that table has none. What several sources cannot tell apart is one label here: the inferior horns
and the choroid plexus belong to the lateral ventricles, the corpus callosum is 192 as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgpvs_wf.anatomy.colours import BG_COLOUR, PVS_COLOUR, structure_colour

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, order=True)
class Region:
    """One harmonised label."""

    index: int
    name: str
    abbreviation: str
    mirror: int
    """Index of the same structure on the other side; its own where there is none."""
    tissue: str
    """`WM`, `cortex`, `ventricle`, `CSF`, `BG`, `thalamus`, `deepGM`, `limbic`, `brainstem` or
    `cerebellum`."""

    @property
    def colour(self) -> str:
        """Hexadecimal, as BIDS writes it."""
        return structure_colour(self.name, self.tissue)


_PAIRS = (
    (2, 41, "Cerebral-White-Matter", "WM", "WM"),
    (3, 42, "Cerebral-Cortex", "CTX", "cortex"),
    (4, 43, "Lateral-Ventricle", "LV", "ventricle"),
    (7, 46, "Cerebellum-White-Matter", "CBWM", "cerebellum"),
    (8, 47, "Cerebellum-Cortex", "CBC", "cerebellum"),
    (10, 49, "Thalamus", "THA", "thalamus"),
    (11, 50, "Caudate", "CAU", "BG"),
    (12, 51, "Putamen", "PUT", "BG"),
    (13, 52, "Pallidum", "PAL", "BG"),
    (17, 53, "Hippocampus", "HIP", "limbic"),
    (18, 54, "Amygdala", "AMY", "limbic"),
    (26, 58, "Accumbens-area", "ACC", "BG"),
    (28, 60, "VentralDC", "VDC", "deepGM"),
    (9012, 9051, "Lentiform", "LEN", "BG"),
)
_SINGLES = (
    (14, "3rd-Ventricle", "V3", "ventricle"),
    (15, "4th-Ventricle", "V4", "CSF"),
    (16, "Brain-Stem", "BST", "brainstem"),
    (24, "CSF", "CSF", "CSF"),
    (172, "Vermis", "VER", "cerebellum"),
    (192, "Corpus_Callosum", "CC", "WM"),
    (213, "lateral_ventricle", "LV", "ventricle"),
    (219, "Cerebral_White_Matter", "WM", "WM"),
    (220, "Cerebral_Cortex", "CTX", "cortex"),
    (9008, "Cerebellum", "CB", "cerebellum"),
    (9010, "Deep-Gray-Matter", "DGM", "deepGM"),
    (9017, "Hippocampus-Amygdala", "HIPAMY", "limbic"),
)


def _regions() -> dict[int, Region]:
    regions = [Region(i, name, short, i, tissue) for i, name, short, tissue in _SINGLES]
    for left, right, name, short, tissue in _PAIRS:
        regions.append(Region(left, f"Left-{name}", f"{short}_L", right, tissue))
        regions.append(Region(right, f"Right-{name}", f"{short}_R", left, tissue))
    return {region.index: region for region in sorted(regions)}


REGIONS: dict[int, Region] = _regions()
"""Every harmonised label, by index."""


def _of(*tissues: str) -> tuple[int, ...]:
    return tuple(index for index, region in REGIONS.items() if region.tissue in tissues)


BG_LABELS = _of("BG")
"""Caudate, putamen, pallidum, accumbens, and the lentiform nucleus where a source has no split."""
THALAMUS_LABELS = _of("thalamus")
NUCLEI: dict[int, str] = {i: REGIONS[i].name for i in sorted(BG_LABELS + THALAMUS_LABELS)}
"""Index to FreeSurfer name of what is segmented and reported."""
_LEFT_RIGHT = {name: (left, right) for left, right, name, *_ in _PAIRS}
CAUDATE_LABELS = _LEFT_RIGHT["Caudate"]
PUTAMEN_LABELS = _LEFT_RIGHT["Putamen"]
PALLIDUM_LABELS = _LEFT_RIGHT["Pallidum"]
ACCUMBENS_LABELS = _LEFT_RIGHT["Accumbens-area"]
LENTIFORM_LABELS = _LEFT_RIGHT["Lentiform"]
"""Putamen and pallidum in one, as Draw-EM and the ALBERTs have it."""
ANY_LENTIFORM_LABELS = (*PUTAMEN_LABELS, *PALLIDUM_LABELS, *LENTIFORM_LABELS)
"""The lentiform nuclei, split or in one."""
VENTRICLE_LABELS = _of("ventricle")
"""Lateral and third ventricles, the ones that touch the nuclei."""
CSF_LABELS = _of("CSF", "ventricle")
WM_LABELS = _of("WM")
CORTEX_LABELS = _of("cortex")
CEREBELLUM_LABELS = _of("cerebellum")
BRAINSTEM_LABELS = _of("brainstem")
MIRROR: dict[int, int] = {index: region.mirror for index, region in REGIONS.items()}
"""Index to the index of the same structure on the other side (its own on the midline)."""
LEFT_LABELS = tuple(left for left, *_ in sorted(_PAIRS))
RIGHT_LABELS = tuple(MIRROR[left] for left in LEFT_LABELS)
BGPVS_LABELS: dict[int, tuple[str, str, str]] = {
    0: ("Background", "BKG", "#000000"),
    1: ("Basal-Ganglia", "BG", BG_COLOUR),
    2: ("Basal-Ganglia-PVS", "PVS", PVS_COLOUR),
}
"""Name, abbreviation and colour of the labels of ``desc-bgpvs_dseg`` and ``desc-pseudo_dseg``."""
_COLUMNS = ["index", "name", "abbreviation", "color"]
SIDES: dict[str, tuple[int, ...]] = {"left": LEFT_LABELS, "right": RIGHT_LABELS}
"""Side to its labels, in the same order."""


def side_of(index: int) -> str:
    """Return `left`, `right`, or an empty text for a label without a side.

    Examples
    --------
    >>> side_of(11), side_of(50), side_of(14)
    ('left', 'right', '')
    """
    return "left" if index in LEFT_LABELS else "right" if index in RIGHT_LABELS else ""


def label_table(indices: Iterable[int]) -> pd.DataFrame:
    """Return the BIDS label table of some harmonised indices, for a `_dseg.tsv`.

    Parameters
    ----------
    indices : iterable of int
        In any order, repeated or not; 0 (background) is left out.

    Returns
    -------
    DataFrame
        Columns `index`, `name`, `abbreviation`, `color`, sorted by index.

    Raises
    ------
    KeyError
        If an index is not harmonised.

    Examples
    --------
    >>> print(label_table([50, 11, 0]).to_string(index=False))
     index          name abbreviation   color
        11  Left-Caudate        CAU_L #56B4E9
        50 Right-Caudate        CAU_R #56B4E9
    """
    import pandas as pd

    regions = [REGIONS[i] for i in sorted({int(i) for i in indices} - {0})]
    rows = [(one.index, one.name, one.abbreviation, one.colour) for one in regions]
    return pd.DataFrame(rows, columns=_COLUMNS)


def bgpvs_label_table() -> pd.DataFrame:
    """Return the label table of ``desc-bgpvs_dseg``; see `label_table`."""
    import pandas as pd

    rows = [(index, *said) for index, said in BGPVS_LABELS.items()]
    return pd.DataFrame(rows, columns=_COLUMNS)
