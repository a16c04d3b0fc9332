"""The tables of a recipe that tell of the networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bgpvs_wf.errors import UsageError
from bgpvs_wf.phantom.label_maps import label_maps_in
from bgpvs_wf.settings import Settings, limited


@dataclass(frozen=True, kw_only=True)
class HeadConfig(Settings):
    """The networks that find the brain in a whole head: where it is and how it lies, and its mask.

    With neither `maps` nor `model` the new model has none of its own; it uses that of the model in
    the box.
    """

    section: ClassVar[str] = "head."

    maps: str = ""
    """Folder of label maps of whole heads to learn from, with FreeSurfer's numbers."""
    without: tuple[str, ...] = ()
    """Names of maps, without suffix, that are not learnt from: those of tests."""
    held_out: int = limited(1, at_least=0)
    """Maps, the last ones by name, that are validated on."""
    steps: int = limited(8000, at_least=1)
    mask_steps: int = limited(4500, at_least=1)
    """Of the network that sees the mask."""
    batch: int = limited(1, at_least=1)
    filters: tuple[int, ...] = (8, 16, 32, 64, 128)
    model: str = ""
    """Take the head networks of this model, rather than training them."""
    start: str = ""
    """Start from the head weights of this model."""


def find_maps(head: HeadConfig) -> tuple[list[Path], list[Path]]:
    """Find the label maps to learn from, and those to validate on, by name.

    Raises
    ------
    UsageError
        If there are none, or not those that the settings name.
    """
    folder = Path(head.maps)
    if not folder.is_dir():
        raise UsageError(f"head.maps: {folder} is no folder; correct the path.")
    maps = label_maps_in(folder)
    if not maps:
        raise UsageError(f"head.maps: {folder} has no label maps; put them there as *.nii.gz.")
    for name in head.without:
        if name not in maps:
            raise UsageError(
                f"head.without names '{name}', and {folder} has no such label map; it has "
                f"{next(iter(maps))} and the like."
            )
        del maps[name]
    found = list(maps.values())
    if len(found) <= head.held_out:
        raise UsageError(
            f"head.held_out is {head.held_out}, which leaves nothing to learn from of the "
            f"{len(found)} label maps in {folder}; give less."
        )
    count = len(found) - head.held_out
    return found[:count], found[count:]


@dataclass(frozen=True, kw_only=True)
class CoarseConfig(Settings):
    """The network that finds the nuclei in the head."""

    section: ClassVar[str] = "coarse."

    model: str = ""
    """Take the coarse network of this model, rather than training one."""
    start: str = ""
    """Start from the coarse weights of this model."""
    filters: tuple[int, ...] = (8, 16, 32, 64)
    steps: int = limited(2500, at_least=1)
    batch: int = limited(1, at_least=1)


@dataclass(frozen=True, kw_only=True)
class FineConfig(Settings):
    """The network that segments the box of the nuclei at 1 mm, and what both share."""

    section: ClassVar[str] = "fine."

    filters: tuple[int, ...] = (16, 32, 64, 128)
    steps: int = limited(4000, at_least=0)
    """In all, however many rounds share them; 0 keeps the weights of `start`."""
    patch: tuple[int, ...] = (64, 64, 48)
    members: int = limited(1, at_least=1)
    """Of the ensemble, trained from other seeds; each takes all steps."""
    self_training: int = limited(0, at_least=0)
    """Times that pseudo-labels are replaced by what the network finds, and learnt again."""
    start: str = ""
    """Start from the weights of this model."""


@dataclass(frozen=True, kw_only=True)
class PVSConfig(Settings):
    """The network that looks for PVS on the scan's own grid."""

    section: ClassVar[str] = "pvs."

    filters: tuple[int, ...] = (16, 16, 16, 16, 16)
    """Channels of each convolution."""
    steps: int = limited(3000, at_least=0)
    """In all, however many rounds share them; 0 keeps the weights of `start`."""
    batch: int = limited(4, at_least=1)
    patch: tuple[int, ...] = (32, 32, 32)
    start: str = ""
    """Start from the weights of this model."""
