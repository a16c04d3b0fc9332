"""The ANTs interfaces of Nipype, with native ANTs or with `antspyx` behind the same commands.

Nipype writes a line for a shell, and paths into it as they are; ANTs, too, has a syntax of its
own (`[fixed, moving, 1, 32]`). So commands are told plain names relative to the node's folder.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from typing import Any

from nipype.interfaces import ants
from nipype.interfaces.base import isdefined

from bgpvs_wf.errors import UsageError
from bgpvs_wf.plain_names import is_plain, plain_name

_NOT_NAMES = ("environ", "args")
_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"


class _ANTsAnywhere:
    """Run the native command if it is on PATH, else the one compiled into `antspyx`."""

    _cmd: str
    inputs: Any

    def __init__(self, **inputs: Any) -> None:
        command = type(self)._cmd
        if shutil.which(command) is None:
            python = shlex.quote(sys.executable)
            self._cmd = f"{python} -m bgpvs_wf.interfaces.antspyx {command}"
        super().__init__(**inputs)
        # Nipype sets another variable, over which the one of the whole process wins.
        self.inputs.environ[_THREADS] = str(self.inputs.num_threads)
        # Nipype asks a shell for the libraries of the command, without quoting it.
        self._ldd = False

    @property
    def cmdline(self) -> str:
        """The command as a line for a shell, to which no word is more than a word."""
        return shlex.join(shlex.split(super().cmdline))  # type: ignore[misc]

    def _run_interface(self, runtime: Any, correct_return_codes: Any = (0,)) -> Any:
        """Run the command with plain names; the inputs are then as they were."""
        self._check_made_names()
        given = self.inputs
        self.inputs = _with_plain_names(given, runtime.cwd)
        try:
            return super()._run_interface(runtime, correct_return_codes)  # type: ignore[misc]
        finally:
            self.inputs = given

    def _check_made_names(self) -> None:
        """Refuse names of results that Nipype makes of an input's if they are not plain."""
        for name, trait in self.inputs.traits().items():
            if trait.name_source:
                made = self._filename_from_source(name)  # type: ignore[attr-defined]
            elif trait.genfile and not isdefined(getattr(self.inputs, name)):
                made = self._gen_filename(name)  # type: ignore[attr-defined]
            else:
                continue
            if isinstance(made, str) and not is_plain(made):
                raise UsageError(
                    f"{type(self).__name__} cannot name its result {made!r}; rename its input "
                    "with letters, digits and . _ - + only."
                )


def _with_plain_names(inputs: Any, folder: str) -> Any:
    """Return a copy of an interface's inputs in which every text is a plain name."""
    changed = {}
    for name, value in inputs.trait_get().items():
        if name in _NOT_NAMES or not isdefined(value):
            continue
        if any(not is_plain(text) or text.startswith("/") for text in _texts(value)):
            changed[name] = _renamed(value, folder)
    if not changed:
        return inputs
    copy = inputs.clone_traits()
    copy.trait_set(trait_change_notify=False, **changed)
    return copy


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _renamed(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        return plain_name(value, folder)
    if isinstance(value, (list, tuple)):
        items = [_renamed(item, folder) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


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
