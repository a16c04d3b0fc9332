"""What to cite: one table, for the methods paragraph of pages and for `bgpvs-wf cite`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_OTHERS = "others"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A publication."""

    what: str
    """What it is cited for."""
    authors: tuple[str, ...]
    """`Family, Given`; the last may be `others`, as in BibTeX."""
    title: str
    place: str
    """The journal or proceedings."""
    year: int
    where: str = ""
    """Volume and pages, `5:13` or `:92-96`."""
    doi: str
    kind: str = "article"
    """Of BibTeX's entries."""

    @property
    def text(self) -> str:
        """A line of a list of references."""
        families = [author.partition(",")[0] for author in self.authors]
        if families[-1] == _OTHERS:
            names = f"{', '.join(families[:-1])} et al."
        else:
            names = f"{', '.join(families)}."
        at = self.where if self.where[:1] in ("", ":") else f";{self.where}"
        return f"{names} {self.place} {self.year}{at}. doi:{self.doi}"

    def bibtex(self, key: str) -> str:
        """Return the entry of a `.bib` file."""
        volume, _, pages = self.where.rpartition(":")
        fields = {
            "author": " and ".join(self.authors),
            # The braces keep capitals.
            "title": f"{{{self.title}}}",
            "booktitle" if self.kind == "inproceedings" else "journal": self.place,
            "year": str(self.year),
            "volume": volume,
            "pages": pages.replace("-", "--"),
            "doi": self.doi,
        }
        return _entry(self.kind, key, fields)


def _by(*authors: str) -> tuple[str, ...]:
    return (*authors, _OTHERS)


REFERENCES: dict[str, Reference] = {
    "bgpvs": Reference(
        what="the method",
        authors=(
            *("Kang, Junghwa", "Bak, Dayeon", "Shin, Na-Young", "Kim, Hyun Gi", "Nam, Yoonho"),
        ),
        title="Improved BG-PVS Quantification in Infant Brain MRI Using Anatomy-Informed "
        "Pseudo-Labels for Joint BG and PVS Segmentation",
        place="J Magn Reson Imaging",
        year=2026,
        doi="10.1002/jmri.70298",
    ),
    "bids": Reference(
        what="how data are organised",
        authors=_by("Gorgolewski, Krzysztof J."),
        title="The brain imaging data structure, a format for organizing and describing outputs of "
        "neuroimaging experiments",
        place="Sci Data",
        year=2016,
        where="3:160044",
        doi="10.1038/sdata.2016.44",
    ),
    "nipype": Reference(
        what="the workflow",
        authors=_by("Gorgolewski, Krzysztof"),
        title="Nipype: a flexible, lightweight and extensible neuroimaging data processing "
        "framework in Python",
        place="Front Neuroinform",
        year=2011,
        where="5:13",
        doi="10.3389/fninf.2011.00013",
    ),
    "denoise": Reference(
        what="denoising",
        authors=_by("Manjón, José V."),
        title="Adaptive non-local means denoising of MR images with spatially varying noise levels",
        place="J Magn Reson Imaging",
        year=2010,
        where="31:192-203",
        doi="10.1002/jmri.22003",
    ),
    "n4": Reference(
        what="bias correction",
        authors=_by("Tustison, Nicholas J."),
        title="N4ITK: Improved N3 Bias Correction",
        place="IEEE Trans Med Imaging",
        year=2010,
        where="29:1310-1320",
        doi="10.1109/TMI.2010.2046908",
    ),
    "ants": Reference(
        what="alignment of T1w and T2w, ANTs",
        authors=_by("Avants, Brian B."),
        title="A reproducible evaluation of ANTs similarity metric performance in brain image "
        "registration",
        place="NeuroImage",
        year=2011,
        where="54:2033-2044",
        doi="10.1016/j.neuroimage.2010.09.025",
    ),
    "syn": Reference(
        what="registration of atlases",
        authors=_by("Avants, Brian B."),
        title="Symmetric diffeomorphic image registration with cross-correlation: Evaluating "
        "automated labeling of elderly and neurodegenerative brain",
        place="Med Image Anal",
        year=2008,
        where="12:26-41",
        doi="10.1016/j.media.2007.06.004",
    ),
    "em": Reference(
        what="refinement of registered nuclei",
        authors=_by("Van Leemput, Koen"),
        title="Automated model-based tissue classification of MR images of the brain",
        place="IEEE Trans Med Imaging",
        year=1999,
        where="18:897-908",
        doi="10.1109/42.811270",
    ),
    "unet": Reference(
        what="the networks",
        authors=_by("Isensee, Fabian"),
        title="nnU-Net: a self-configuring method for deep learning-based biomedical image "
        "segmentation",
        place="Nat Methods",
        year=2021,
        where="18:203-211",
        doi="10.1038/s41592-020-01008-z",
    ),
    "pytorch": Reference(
        what="what networks run in",
        authors=_by("Paszke, Adam"),
        title="PyTorch: An Imperative Style, High-Performance Deep Learning Library",
        place="Adv Neural Inf Process Syst",
        year=2019,
        where="32:8024-8035",
        doi="10.48550/arXiv.1912.01703",
        kind="inproceedings",
    ),
    "monai": Reference(
        what="what networks are made with, and the format of models",
        authors=_by("Cardoso, M. Jorge"),
        title="MONAI: An open-source framework for deep learning in healthcare",
        place="arXiv",
        year=2022,
        doi="10.48550/arXiv.2211.02701",
    ),
    "vesselness": Reference(
        what="the tube filter of pseudo-labels",
        authors=_by("Frangi, Alejandro F."),
        title="Multiscale vessel enhancement filtering",
        place="MICCAI, LNCS",
        year=1998,
        where="1496:130-137",
        doi="10.1007/BFb0056195",
        kind="inproceedings",
    ),
    "skimage": Reference(
        what="skeletons of perivascular spaces",
        authors=_by("van der Walt, Stéfan"),
        title="scikit-image: image processing in Python",
        place="PeerJ",
        year=2014,
        where="2:e453",
        doi="10.7717/peerj.453",
    ),
    "statsmodels": Reference(
        what="models of bgpvs-wf associate",
        authors=("Seabold, Skipper", "Perktold, Josef"),
        title="statsmodels: Econometric and statistical modeling with python",
        place="Proc 9th Python in Science Conf",
        year=2010,
        where=":92-96",
        doi="10.25080/Majora-92bf1922-011",
        kind="inproceedings",
    ),
    "pingouin": Reference(
        what="statistics of bgpvs-wf associate",
        authors=("Vallat, Raphael",),
        title="Pingouin: statistics in Python",
        place="J Open Source Softw",
        year=2018,
        where="3(31):1026",
        doi="10.21105/joss.01026",
    ),
}
"""Key to publication, in the order they are cited."""
OF_ASSOCIATION = ("statsmodels", "pingouin")
"""What is cited where ``bgpvs-wf associate`` was used."""
PROGRAM_TITLE = "bgpvs-wf: perivascular spaces of the basal ganglia in infant MRI"
PROGRAM_AUTHORS = "The bgpvs-wf founders"
"""As `CITATION.cff` has them."""


def program_text(versions: str) -> str:
    """Return the program as a line of a list of references."""
    return f"{PROGRAM_AUTHORS}. {PROGRAM_TITLE}. Version {versions}."


def program_bibtex(versions: str) -> str:
    """Return the program as an entry of a `.bib` file; braces keep its authors one name."""
    fields = {
        "author": f"{{{PROGRAM_AUTHORS}}}",
        "title": f"{{{PROGRAM_TITLE}}}",
        "note": f"Version {versions}",
    }
    return _entry("misc", "bgpvs-wf", fields)


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"
