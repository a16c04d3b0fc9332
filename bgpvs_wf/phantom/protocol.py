"""Protocols: how a scanner sees an infant, and what is there to fool a filter.

The presets are TOML files of the package (`data/protocols`); a user's own TOML may start from one
with ``base = "bcp"`` and say only what differs.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bgpvs_wf.errors import UsageError
from bgpvs_wf.settings import Settings, build_settings, limited
from bgpvs_wf.settings_files import read_toml

PRESETS = ("bcp", "clinical", "dhcp", "plain")
_LENGTHS: dict[str, Any] = {"at_least": 0.2, "at_most": 5.0}
"""Of voxels, mm."""


@dataclass(frozen=True, kw_only=True)
class AcquisitionConfig(Settings):
    """One scan."""

    voxel_mm: tuple[float, ...] = limited((0.8, 0.8, 0.8), **_LENGTHS, items=(3, 3))
    """Edges of the reconstructed voxel."""
    resolution_mm: tuple[float, ...] = limited((), **_LENGTHS, items=(0, 3))
    """Acquired resolution along the three axes: k-space ends at half a cycle over this, so that
    thin bright things ring. None: as fine as the voxel."""
    slice_mm: float = limited(0.0, at_least=0.0, at_most=20.0)
    """Full width at half maximum of the slice profile along the third axis; 0 if the scan is 3D."""
    apodization: float = limited(0.0, at_least=0.0, at_most=1.0)
    """Share of the acquired k-space, at its end, that a cosine takes down to 0: less ringing."""
    weighting: float = limited(1.0, above=0.0, at_most=100.0)
    """Exponent on the tissues' signal over that of fluid (T2w) or cortex (T1w); above 1 is a
    stronger contrast than that of the scans the contrast by age is calibrated on."""
    snr: float = limited(33.0, above=0.0, infinite=True)
    """Signal of the cortex over the standard deviation of the noise; `inf` for none."""
    bias: float = limited(0.1, at_least=0.0, at_most=5.0)
    """Standard deviation of the logarithm of the bias field."""
    motion_mm: float = limited(0.0, at_least=0.0, at_most=50.0)
    """Standard deviation of the movement along the second axis while k-space is read."""


@dataclass(frozen=True, kw_only=True)
class ConfounderConfig(Settings):
    """What looks like a perivascular space, or hides one."""

    section: ClassVar[str] = "confounders."

    vessels: int = limited(0, at_least=0, at_most=10_000)
    """Arteries in the nuclei, dark on T2w."""
    clefts: int = limited(0, at_least=0, at_most=10_000)
    """Small flat pockets of fluid on the surface of the nuclei."""
    choroid: bool = False
    """Choroid plexus in the lateral ventricles."""
    rims: float = limited(0.0, at_least=0.0, at_most=10.0)
    """Brightness, relative to fluid, of the rim of white matter around the nuclei on the T2w of a
    newborn; it fades until 4 months."""
    texture: float = limited(0.0, at_least=0.0, at_most=10.0)
    """Standard deviation of the tissues' own texture, relative to their signal."""


@dataclass(frozen=True, kw_only=True)
class ProtocolConfig(Settings):
    """A protocol: T2w and T1w, and the infant as it lies in the scanner."""

    description: str = ""
    t2w: AcquisitionConfig = field(default_factory=AcquisitionConfig)
    t1w: AcquisitionConfig = field(default_factory=AcquisitionConfig)
    confounders: ConfounderConfig = field(default_factory=ConfounderConfig)
    skull: bool = False
    """Whether skull and scalp are there; if not, the images are brain-extracted."""
    hindbrain: bool = True
    """Whether there are a cerebellum and a brainstem."""
    misalignment_mm: float = limited(0.0, at_least=0.0, at_most=100.0)
    """How far the T1w is off the T2w."""
    misalignment_deg: float = limited(0.0, at_least=0.0, at_most=180.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("t2w", "t1w"):
            if len(getattr(self, name).resolution_mm) not in (0, 3):
                lengths = list(getattr(self, name).resolution_mm)
                raise UsageError(f"{name}.resolution_mm is {lengths}; give three lengths, or none.")


def load_protocol(name: str | os.PathLike[str]) -> ProtocolConfig:
    """Read a preset by its name, or a TOML file.

    Parameters
    ----------
    name : str or path-like
        `plain`, `dhcp`, `bcp`, `clinical`, or a path ending in ``.toml``.

    Raises
    ------
    UsageError
        If there is no such preset, the file cannot be read, or a setting is wrong.

    Examples
    --------
    >>> load_protocol("dhcp").t2w.voxel_mm
    (0.5, 0.5, 0.5)
    """
    protocol: ProtocolConfig = build_settings(ProtocolConfig, _read(name))
    return protocol


def plain(
    voxel_mm: float | tuple[float, float, float] = 0.8,
    *,
    snr: float = 33.0,
    bias: float = 0.1,
    misalignment: tuple[float, float] = (0.0, 0.0),
    hindbrain: bool = True,
) -> ProtocolConfig:
    """Return the protocol of an ideal scanner: partial volume, noise and a bias field only.

    Parameters
    ----------
    voxel_mm : float or tuple of 3 floats
    snr, bias : float
        See `AcquisitionConfig`.
    misalignment : tuple of 2 floats
        How far the T1w is off the T2w: mm, degrees.
    hindbrain : bool
    """
    sizes = np.broadcast_to(np.asarray(voxel_mm, float), 3)
    scan = AcquisitionConfig(voxel_mm=tuple(sizes.tolist()), snr=snr, bias=bias)
    return ProtocolConfig(
        t2w=scan,
        t1w=scan,
        hindbrain=hindbrain,
        misalignment_mm=misalignment[0],
        misalignment_deg=misalignment[1],
    )


def _read(name: str | os.PathLike[str], above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read settings; `above` are the files that are based on these."""
    if Path(name).suffix == ".toml":
        settings = read_toml(name)
        base = settings.pop("base", None)
        if base is None:
            return settings
        if Path(base).suffix == ".toml":
            base = Path(name).parent / base
            if Path(base).resolve() in (path.resolve() for path in (*above, Path(name))):
                raise UsageError(f"{name} is based on itself; name a preset as its base.")
        return _merge(_read(base, (*above, Path(name))), settings)
    if str(name) not in PRESETS:
        raise UsageError(
            f"There is no protocol '{name}'; choose one of {', '.join(PRESETS)}, or a .toml file."
        )
    with resources.as_file(resources.files("bgpvs_wf.data")) as data:
        return read_toml(data / "protocols" / f"{name}.toml")


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(inner, dict)
        merged[key] = {**inner, **value} if both and inner is not None else value
    return merged


def to_mapping(protocol: ProtocolConfig) -> dict[str, Any]:
    """Return the protocol as plain values, for a sidecar."""
    return dataclasses.asdict(protocol)
