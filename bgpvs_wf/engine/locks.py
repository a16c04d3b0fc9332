"""One run at a time for each subject of an output folder, over all machines that share it."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import stat
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.reading import parse_json

try:
    import fcntl
except ImportError:  # Windows has none; nobody is kept out there
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger(__name__)
_TRIES, _PAUSE_SECONDS = 4, 0.1
_SOMETHING_ELSE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""How opening a link without following it, a folder or a pipe fails."""
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock."""

    host: str
    pid: int
    since: str
    """Local time, such as `2026-03-01 14:05`."""
    job: str = ""
    """Of the batch system, such as `812_17`."""

    def __str__(self) -> str:
        who = f"job {self.job}" if self.job else f"process {self.pid}"
        return f"{who} on {self.host} since {self.since}"


class Lock:
    """An advisory lock that ends with its process, however that ends.

    Parameters
    ----------
    path : Path
        A file beside what is locked; it is there only while the lock is held.

    Notes
    -----
    On a disk that knows no locks everybody gets in; that is logged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def take(self) -> Holder | None:
        """Take the lock; return who holds it where that is another process.

        Raises
        ------
        BGPVSError
            If its file cannot be written, or something else is in its place.
        """
        tries = 0
        while self._file is None:
            file = self._open()
            if not _lock(file):
                os.close(file)
                held = holder(self.path)
                tries += 1
                if held is not None and tries >= _TRIES:
                    return held
                # It may have been looked at only, or been let go since.
                time.sleep(_PAUSE_SECONDS)
            elif _is(file, self.path):
                self._file = file
                self._sign()
            else:
                # Whoever had it has just removed the file.
                os.close(file)
        return None

    def free(self) -> None:
        """Let the lock go."""
        if self._file is not None:
            # Forgotten first: a signal may come between, and what is closed is closed once.
            file, self._file = self._file, None
            with contextlib.suppress(OSError):  # a folder that was made read-only meanwhile
                self.path.unlink(missing_ok=True)
            os.close(file)

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.free()

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _open(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if error.errno in _SOMETHING_ELSE:
                raise BGPVSError(
                    f"{self.path} is no lock of this program but a link, a folder or a pipe; "
                    "remove it."
                ) from error
            raise BGPVSError(
                f"Cannot write {self.path}: {error.strerror}; make the folder writable."
            ) from error

    def _sign(self) -> None:
        assert self._file is not None
        me = Holder(
            socket.gethostname(), os.getpid(), time.strftime("%Y-%m-%d %H:%M"), _batch_job()
        )
        # A full disk does not keep the lock from holding.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps(asdict(me)).encode(), 0)


def holder(path: Path) -> Holder | None:
    """Return who holds the lock of a file; None if nobody does."""
    try:
        file = _open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        if _lock(file, shared=True):
            return None
        return Holder(**parse_json(os.pread(file, 4096, 0).decode()))
    except (ValueError, TypeError):
        return Holder("some machine", 0, "a moment ago")
    finally:
        os.close(file)


def _open(path: Path, how: int) -> int:
    """Open a lock's file; follow no link to what is another's, and wait for nobody."""
    file = os.open(path, how | os.O_NOFOLLOW | os.O_NONBLOCK, 0o664)
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(file)
        raise OSError(errno.ENXIO, "not a regular file", str(path))
    return file


def _lock(file: int, shared: bool = False) -> bool:
    """Lock an open file until it is closed; return whether nobody else has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _LOG.warning("The disk of the output folder knows no locks; run one program at a time.")
    return True


def _is(file: int, path: Path) -> bool:
    try:
        there, ours = os.stat(path), os.fstat(file)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _batch_job() -> str:
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
