"""The errors a user can meet, and what the command line makes of them."""

from __future__ import annotations

import math
from typing import Any


class BGPVSError(Exception):
    """Anything the user can do something about.

    The message is one line and says what is wrong, where, and what to do. The
    command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(BGPVSError):
    """The call itself cannot be served: arguments, configuration, folders."""

    exit_code = 2


class BadImageError(BGPVSError):
    """An image file that cannot be read or measured."""


class BadLabelsError(BGPVSError):
    """A label map on another grid than its image, or with labels nobody knows."""


class AgeError(BGPVSError):
    """An age that is missing where one is needed, unreadable, or out of range."""


class AtlasError(BGPVSError):
    """An atlas that is unknown, incomplete, or fits nobody of this age."""


class RegistrationError(BGPVSError):
    """Two images that could not be brought together."""


class NotCredibleError(BGPVSError):
    """Results that cannot be those of an infant's brain."""


class ModelError(BGPVSError):
    """A model that is not there, incomplete, damaged, or not what its description says."""

    exit_code = 2


class TableError(BGPVSError):
    """A table that cannot be read, or holds what it should not."""


def shown(value: Any) -> str:
    """Return a value for a message, on one line and not too long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return "something nested too deeply or too large"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 80 else f"{text[:40]} ... {text[-36:]}"
