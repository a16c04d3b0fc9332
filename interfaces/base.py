"""What the interfaces share: reading images on one grid, writing beside the node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, SimpleInterface, isdefined, traits

from bgpvs_wf._version import __version__
from bgpvs_wf.config import RunConfig
from bgpvs_wf.schema import find_setting


def setting_trait(name: str, **metadata: Any) -> Any:
    """Return a trait with the choices and the default of a setting of `RunConfig`."""
    one = find_setting(RunConfig, name)
    metadata = {"usedefault": True, "desc": one.help, **metadata}
    if one.kind == "bool":
        return traits.Bool(one.default, **metadata)
    return traits.Enum(one.default, one.rule.choices, **metadata)


def read_array(path: str, what: str = "image") -> tuple[np.ndarray, np.ndarray]:
    """Return a checked image's array and affine."""
    from bgpvs_wf.imaging.files import load_image

    image = load_image(path, what=what, allow_constant=True)
    return np.asanyarray(image.dataobj), image.affine


def read_optional(path: Any, what: str = "image") -> np.ndarray | None:
    """Return a checked image's array, or None where the trait is undefined."""
    return read_array(path, what)[0] if isdefined(path) and path else None


def read_mask(path: Any) -> np.ndarray | None:
    """Return what is in a mask of the brain, bool, or None where the trait is undefined."""
    mask = read_optional(path, "brain mask")
    return None if mask is None else mask > 0


class HomeInputSpec(BaseInterfaceInputSpec):
    algorithm = traits.Str(
        __version__, usedefault=True, desc="so that the hash of a node sees a new version"
    )


class HomeInterface(SimpleInterface):
    """An interface that writes its results into the node's folder."""

    def write(
        self, runtime: Any, name: str, data: np.ndarray, affine: np.ndarray, *, labels: bool = False
    ) -> str:
        """Write an image into the node's folder; return its path."""
        from bgpvs_wf.imaging.files import save_image

        return str(save_image(data, affine, Path(runtime.cwd) / name, labels=labels))

    def write_text(self, runtime: Any, name: str, text: str) -> str:
        """Write a text file into the node's folder; return its path."""
        path = os.path.join(runtime.cwd, name)
        Path(path).write_text(text, encoding="utf-8")
        return path
