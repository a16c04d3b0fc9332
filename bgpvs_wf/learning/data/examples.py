"""What a network sees in training: the example of each number, the same whenever it is asked for.

An example is made from its number and the seed alone. So training goes on after an interruption
with the next number, workers may make examples in any order, and nothing else has to be saved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bgpvs_wf.learning.data.augmentation import (
    AugmentationConfig,
    drop_modality,
    intensity_transforms,
    ripple,
    sample_patch,
)
from bgpvs_wf.learning.data.cascade_input import Surroundings, case_surroundings, rough_context
from bgpvs_wf.learning.data.case import COARSE_CHANNELS, FINE_CHANNELS, OWN_CHANNELS, TrainingCase
from bgpvs_wf.learning.data.classes import BG_CLASSES, BRAIN, LEFT_NUCLEI, MIRRORED, SURE
from bgpvs_wf.learning.data.contrasts import random_contrast
from bgpvs_wf.learning.data.painted_tubes import FILL, ScanSignals, labelled, paint_tubes
from bgpvs_wf.learning.data.pvs_input import UNTOLD, pvs_input, rough_mask
from bgpvs_wf.learning.data.scan import COARSE_MM, FINE_MM
from bgpvs_wf.phantom.fill import fill_around, fill_of_infant

if TYPE_CHECKING:
    import torch

_AT_PVS, _AT_NUCLEI = 0.3, 0.55
"""Shares of PVS patches around a PVS and around a voxel of a nucleus; others lie anywhere."""
_MORE_TUBES = 2.0
"""How many more tubes than one are painted into a patch, on average (chosen)."""
_IN_TUBE = 0.3
"""Share of a voxel that a tube fills, from which on it tells how bright that is (chosen)."""
_FLUID_WRONG = 0.07
"""The signal of fluid is measured with this error, as a share of it (chosen)."""
_TOLD, _TOLD_WRONG = 0.6, 0.2
"""Share of patches whose network is told how bright fluid in PVS is, and with which error, of the
logarithm (chosen: estimates are off by 0.05 to 0.15)."""
_EVERY = 7
"""Every so manieth voxel tells how contrast was altered; prime to the size of patches, so that
they lie in all planes (chosen)."""
_JITTER = 0.25
"""How far a PVS patch's middle lies off, as a share of its size."""
_OFF_MIDDLE = 0.15
"""How far the middle of other patches is from that of head or box at most, as a share of its
size; farther where a patch is much smaller."""
_CUT, _MOST_LEFT_VOXELS = 0.4, 12
"""Share of heads cut off beneath the nuclei, and how many slices of 2 mm are left at most."""
_MIRROR = 0.5
"""Share of heads whose left and right are exchanged: each head is two to learn from."""
_TURNED = 0.2
"""Share of heads that lie the wrong way by half a turn: nothing is to be found in them."""


@dataclass
class _Examples:
    """What all examples share."""

    cases: Sequence[TrainingCase]
    seed: int
    patch: tuple[int, int, int]
    augmentation: AugmentationConfig

    def _draw(self, number: int) -> tuple[np.random.Generator, TrainingCase]:
        """Return the generator of an example, and its case."""
        rng = np.random.default_rng([self.seed, number])
        return rng, self.cases[int(rng.integers(len(self.cases)))]

    def _near_the_middle(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw the middle of a patch that shows most of an array."""
        size = np.array(shape)
        reach = np.maximum(_OFF_MIDDLE * size, (size - self.patch) / 2)
        return np.asarray((size - 1) / 2 + rng.uniform(-1, 1, 3) * reach)

    def _images(
        self, patch: Mapping[str, torch.Tensor], fluid: torch.Tensor, rng: np.random.Generator
    ) -> torch.Tensor:
        """Return the images of a patch, or such as are painted from its tissues."""
        import torch

        if rng.random() < self.augmentation.contrast:
            tissue = patch["tissue"].numpy().astype(np.uint8)
            return torch.from_numpy(random_contrast(tissue, fluid.numpy(), rng))
        return torch.stack([patch["T2w"], patch["T1w"]])


@dataclass
class FineExamples(_Examples):
    """Boxes of the nuclei at 1 mm; item `i` is made from `seed` and `i`.

    Parameters
    ----------
    cases : sequence of TrainingCase
    seed : int
    patch : tuple of 3 int
        Voxels of 1 mm; most of a box fits in.
    augmentation : AugmentationConfig
    """

    _around: dict[str, Surroundings] = field(default_factory=dict, init=False)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, `classes`, `confidence` and `ventricles` (whether known)."""
        import torch

        rng, case = self._draw(number)
        array = case.fine()
        middle = self._near_the_middle(array.shape[1:], rng)
        part = sample_patch(
            array, FINE_CHANNELS, middle, self.patch, rng, self.augmentation, flip=True
        )
        image = self._images(part, part["fluid"], rng)
        classes = part["classes"].long()
        image = alter(image, case.present, rng, self.augmentation, FINE_MM)
        context = rough_context(self._surroundings(case, array), part["place"], rng)
        return {
            "image": torch.cat([image, context]),
            "classes": classes,
            "confidence": part["confidence"],
            "ventricles": torch.tensor(case.ventricles),
        }

    def _surroundings(self, case: TrainingCase, array: np.ndarray) -> Surroundings:
        key = str(case.folder)
        if key not in self._around:
            self._around[key] = case_surroundings(array[FINE_CHANNELS.index("classes")])
        return self._around[key]


@dataclass
class PVSExamples(_Examples):
    """Patches of boxes on the scans' own grids; item `i` is made from `seed` and `i`.

    Space is mirrored only: what is one voxel wide cannot be turned or bent without a blur.

    Parameters
    ----------
    cases : sequence of TrainingCase
    seed : int
    patch : tuple of 3 int
        Voxels of the scan.
    augmentation : AugmentationConfig
    """

    _sites: dict[str, Mapping[str, np.ndarray]] = field(default_factory=dict, init=False)
    _signals: dict[str, ScanSignals] = field(default_factory=dict, init=False)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, `classes`, `pvs` and `confidence`, `asked` and `brightness`.

        `asked` is where tubes are whose brightness, `brightness`, the network is to tell.
        """
        import torch

        rng, case, part = self._patch(number, (1, 2), painted=self.augmentation.tubes)
        bg = np.isin(part["classes"].numpy(), BG_CLASSES)
        rough = rough_mask(bg, case.voxel_mm, rng)
        before, image = part.pop("before").numpy(), part["image"].numpy()
        fluid = _carried(self._signals_of(case).fluid, before, image)
        fluid *= np.exp(rng.normal(0, _FLUID_WRONG, 2))
        told = _told(part, rng)
        if told != UNTOLD:
            part["asked"] = torch.zeros_like(part["asked"])
        part["image"] = torch.from_numpy(pvs_input(image, rough, case.voxel_mm, fluid, told))
        return part

    def _patch(
        self, number: int, mirrored: Sequence[int], painted: float = 0.0
    ) -> tuple[np.random.Generator, TrainingCase, dict[str, torch.Tensor]]:
        """Return the generator of an example, its case, and what is in it.

        It may be mirrored along further axes than left-right. `painted` is the probability of
        tubes beside those that are there. `before` is the image before contrast and noise changed.
        """
        import torch

        rng, case = self._draw(number)
        array = case.own()
        middle = self._middle(case, array.shape[1:], rng)
        # A patch that reaches beyond the box shows less.
        half = np.array(self.patch) / 2
        middle = np.clip(middle, half, np.maximum(array.shape[1:] - half, half))
        config = dataclasses.replace(
            self.augmentation, turned=0, intensity=self.augmentation.pvs_intensity
        )
        part = sample_patch(array, OWN_CHANNELS, middle, self.patch, rng, config, flip=True)
        for axis in mirrored:
            if rng.random() < 0.5:
                part = {name: value.flip(axis) for name, value in part.items()}
        own = part["pvs"] > 0
        known = case.brightness if own.any() else UNTOLD
        brightness = torch.tensor(known, dtype=torch.float32)
        part = {**part, "asked": (own & (known != UNTOLD)).float(), "brightness": brightness}
        if rng.random() < painted:
            self._paint(part, case, rng)
        voxel_mm = float(np.mean(case.voxel_mm))
        before = torch.stack([part["T2w"], part["T1w"]])
        image = alter(before, case.present, rng, config, voxel_mm)
        kept = {name: part[name] for name in ("pvs", "confidence", "asked", "brightness")}
        kept |= {"before": before, "image": image, "classes": part["classes"].long()}
        return rng, case, kept

    def _signals_of(self, case: TrainingCase) -> ScanSignals:
        key = str(case.folder)
        if key not in self._signals:
            self._signals[key] = case.signals()
        return self._signals[key]

    def _paint(
        self, part: dict[str, torch.Tensor], case: TrainingCase, rng: np.random.Generator
    ) -> None:
        """Put tubes into a patch beside those that are there, as bright if that is known."""
        import torch

        pvs, alike = part["pvs"].numpy() > 0, float(part["brightness"])
        done = paint_tubes(
            np.stack([part["T2w"].numpy(), part["T1w"].numpy()]),
            part["classes"].numpy(),
            pvs | (part["confidence"].numpy() < SURE),
            np.diag([*case.voxel_mm, 1.0]),
            self._signals_of(case),
            rng,
            1 + int(rng.poisson(_MORE_TUBES)),
            fill_around(alike) if alike != UNTOLD else None,
        )
        part["T2w"], part["T1w"] = torch.from_numpy(done.images)
        part["pvs"] = torch.from_numpy((pvs | labelled(done.share)).astype(np.float32))
        if np.isfinite(done.brightness):
            shown = done.share >= _IN_TUBE
            if alike == UNTOLD:
                part["brightness"] = torch.tensor(done.brightness, dtype=torch.float32)
                part["asked"] = torch.zeros_like(part["asked"])
            part["asked"] = torch.clamp(part["asked"] + torch.from_numpy(shown).float(), max=1)

    def _middle(
        self, case: TrainingCase, shape: tuple[int, ...], rng: np.random.Generator
    ) -> np.ndarray:
        """Draw the middle of a patch: near a PVS, near a voxel of a nucleus, or anywhere."""
        key = str(case.folder)
        if key not in self._sites:
            self._sites[key] = case.sites()
        sites = self._sites[key]
        draw = rng.random()
        kind = "pvs" if draw < _AT_PVS else "nuclei" if draw < _AT_PVS + _AT_NUCLEI else ""
        if not kind or not len(sites[kind]):
            return rng.uniform(0, shape)
        place = sites[kind][int(rng.integers(len(sites[kind])))]
        return np.asarray(place + rng.uniform(-1, 1, 3) * _JITTER * np.array(self.patch))


@dataclass
class JointExamples(PVSExamples):
    """The same patches as they are, for a network that is told nothing but the images."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, `classes`, `pvs`, `confidence` and `ventricles` (whether known)."""
        import torch

        _, case, part = self._patch(number, ())
        kept = {name: part[name] for name in ("image", "classes", "pvs", "confidence")}
        return {**kept, "ventricles": torch.tensor(case.ventricles)}


@dataclass
class CoarseExamples(_Examples):
    """Heads at 2 mm; item `i` is made from `seed` and `i`.

    Parameters
    ----------
    cases : sequence of TrainingCase
    seed : int
    patch : tuple of 3 int
        Voxels of 2 mm; a head fits in.
    augmentation : AugmentationConfig
    """

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return `image`, `classes` and `ventricles` (whether known)."""
        import torch

        rng, case = self._draw(number)
        array = case.coarse()
        middle = self._near_the_middle(array.shape[1:], rng)
        patch = sample_patch(
            array, COARSE_CHANNELS, middle, self.patch, rng, self.augmentation, flip=False
        )
        image = self._images(patch, torch.zeros_like(patch["tissue"]), rng)
        image, classes = self._varied(image, patch["classes"].long(), rng)
        return {
            "image": alter(image, case.present, rng, self.augmentation, COARSE_MM),
            "classes": classes,
            "ventricles": torch.tensor(case.ventricles),
        }

    def _varied(
        self, image: torch.Tensor, classes: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mirror a head, cut it off and turn it by half a turn, each sometimes."""
        if rng.random() < _MIRROR:
            image, classes = mirror_head(image, classes)
        if rng.random() < _CUT:
            cut_off(image, classes, rng)
        if rng.random() < _TURNED:
            image, classes = turn_head(image, classes, rng)
        return image, classes


def mirror_head(image: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exchange left and right of a head; the nuclei on the left stay those called left.

    Parameters
    ----------
    image : Tensor, shape (2, x, y, z)
    classes : Tensor, shape (x, y, z)
        Of the coarse network.
    """
    import torch

    return image.flip(1), torch.tensor(MIRRORED)[classes.flip(0)]


def cut_off(image: torch.Tensor, classes: torch.Tensor, rng: np.random.Generator) -> None:
    """Make all background below some slice beneath the nuclei, in place.

    Scans end where they were planned to; brains come without cerebellum and brainstem.

    Parameters
    ----------
    image : Tensor, shape (2, x, y, z)
    classes : Tensor, shape (x, y, z)
        Of the coarse network.
    rng : Generator
    """
    slices = (classes >= LEFT_NUCLEI).any(0).any(0).nonzero()
    if not len(slices):
        return
    end = max(int(slices[0]) - int(rng.integers(1, _MOST_LEFT_VOXELS)), 0)
    for channel in image:
        channel[..., :end] = channel.min()
    classes[..., :end] = 0


def turn_head(
    image: torch.Tensor, classes: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn a head by half a turn about some axis, and call its nuclei brain.

    Headers exist that are wrong by half a turn. A network that finds nuclei in a head the right way
    round only tells them; see `bgpvs_wf.learning.inference.localisation.find_nuclei`.

    Parameters
    ----------
    image : Tensor, shape (2, x, y, z)
    classes : Tensor, shape (x, y, z)
        Of the coarse network.
    rng : Generator
    """
    kept = int(rng.integers(3))
    axes = [axis for axis in range(3) if axis != kept]
    turned = classes.flip(axes)
    turned[turned >= LEFT_NUCLEI] = BRAIN
    return image.flip([axis + 1 for axis in axes]), turned


def _told(part: Mapping[str, torch.Tensor], rng: np.random.Generator) -> float:
    """Draw which brightness of fluid in PVS the network is told in a patch, if any."""
    if rng.random() >= _TOLD:
        return UNTOLD
    known = float(part["brightness"])
    if known == UNTOLD and part["pvs"].any():
        return UNTOLD
    # Where there is nothing to be found, the infant may have been told anything elsewhere.
    right = known or float(np.mean(fill_of_infant(FILL, rng)))
    return right * float(np.exp(rng.normal(0, _TOLD_WRONG)))


def _carried(fluid: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the signal of fluid in images that were altered, by the line that fits the best.

    Parameters
    ----------
    fluid : ndarray, shape (2,)
    before, after : ndarray, shape (2, x, y, z)

    Returns
    -------
    ndarray, shape (2,)
        NaN for an image that is not there any more.
    """
    carried = np.full(2, np.nan)
    for channel, (old, new) in enumerate(zip(before, after, strict=True)):
        if np.ptp(old) and np.ptp(new):
            line = np.polyfit(old.ravel()[::_EVERY], new.ravel()[::_EVERY], 1)
            carried[channel] = np.polyval(line, fluid[channel])
    return carried


def alter(
    image: torch.Tensor,
    present: tuple[bool, bool],
    rng: np.random.Generator,
    config: AugmentationConfig,
    voxel_mm: float,
) -> torch.Tensor:
    """Change contrast, noise, resolution and the like of an image; take a modality away."""
    import torch

    image = torch.from_numpy(ripple(image.numpy(), rng, voxel_mm, config))
    transforms = intensity_transforms(config)
    transforms.set_random_state(seed=int(rng.integers(2**31)))
    changed = torch.as_tensor(np.asarray(transforms(image)), dtype=torch.float32)
    return drop_modality(changed.clone(), present, rng, config)
