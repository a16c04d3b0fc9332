"""The ANTs interfaces of Nipype, with native ANTs or with `antspyx` behind the same commands."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import Any

from nipype.interfaces import ants


class _ANTsAnywhere:
    """Run the native command if it is on PATH, else the one compiled into `antspyx`."""

    _cmd: str

    def __init__(self, **inputs: Any) -> None:
        command = type(self)._cmd
        if shutil.which(command) is None:
            python = shlex.quote(sys.executable)
            self._cmd = f"{python} -m bgpvs_wf.interfaces.antspyx {command}"
        super().__init__(**inputs)


class N4BiasFieldCorrection(_ANTsAnywhere, ants.N4BiasFieldCorrection):
    """Bias field correction, doi 10.1109/TMI.2010.2046908."""


class DenoiseImage(_ANTsAnywhere, ants.DenoiseImage):
    """Non-local means denoising, doi 10.1002/jmri.22003."""


class Registration(_ANTsAnywhere, ants.Registration):
    """Linear and diffeomorphic registration, doi 10.1016/j.media.2007.06.004."""


class ApplyTransforms(_ANTsAnywhere, ants.ApplyTransforms):
    """Resample an image through a chain of transforms."""


class JointFusion(_ANTsAnywhere, ants.JointFusion):
    """Multi-atlas label fusion, doi 10.1109/TPAMI.2012.143."""
