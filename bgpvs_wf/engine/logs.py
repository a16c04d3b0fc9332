"""Where a run's messages go: into files of the output folder, not over the progress display."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bgpvs_wf.errors import BGPVSError
from bgpvs_wf.imaging.files import write_text

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SPEAKING = ("bgpvs_wf", "nipype.workflow", "nipype.interface", "nipype.utils")
"""Loggers whose messages are taken down."""


@dataclass(frozen=True)
class RunLogs:
    """The folder of one run: `run.log`, `config.toml` and its crash files."""

    folder: Path

    @classmethod
    def create(cls, logs_dir: Path, settings: str) -> RunLogs:
        """Make the folder of a run that starts now, and write its configuration there.

        Parameters
        ----------
        logs_dir : Path
            Of the output folder.
        settings : str
            The run's configuration, TOML.

        Raises
        ------
        BGPVSError
            If it cannot be written.
        """
        logs = cls(logs_dir / f"{time.strftime('%Y%m%d-%H%M%S')}_{os.getpid()}")
        try:
            logs.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BGPVSError(
                f"Cannot make {logs.folder}: {error.strerror}; choose another output folder."
            ) from error
        write_text(settings, logs.config_file)
        return logs

    @property
    def log_file(self) -> Path:
        """All messages of the run."""
        return self.folder / "run.log"

    @property
    def config_file(self) -> Path:
        """The configuration of the run, as `--config` takes it."""
        return self.folder / "config.toml"


@contextlib.contextmanager
def logged_to(path: Path, verbose: bool = False) -> Iterator[None]:
    """Send all messages of this process, and of workers it forks, to a file meanwhile.

    Parameters
    ----------
    path : Path
    verbose : bool
        Take down debugging messages of this package and of Nipype, too.
    """
    root = logging.getLogger()
    nipype = _nipype_logger()
    before = root.handlers[:], root.level, nipype.handlers[:]
    levels = {name: logging.getLogger(name).level for name in _SPEAKING}
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.handlers, nipype.handlers = [handler], []
    root.setLevel(logging.INFO)
    for name in _SPEAKING:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers, root.level, nipype.handlers = before
        # The file took more than is to be shown of what comes after.
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        handler.close()


class _LogFile(logging.FileHandler):
    """A log that says once, in one line, that it cannot be written."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Report an error of writing."""
        error = sys.exception()
        if not self._told:
            self._told = True
            sys.stderr.write(f"Cannot write {self.baseFilename}: {error}\n")

    def close(self) -> None:
        """Close the file, whatever is lost with it."""
        with contextlib.suppress(OSError):
            super().close()


def _nipype_logger() -> logging.Logger:
    # Importing Nipype gives its logger a handler on stdout; that must have happened before.
    import nipype

    return logging.getLogger(nipype.__name__)
