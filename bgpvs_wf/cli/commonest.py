"""What a call without any argument is answered with: the commonest commands, a line each."""

from __future__ import annotations

from collections.abc import Sequence

_ALONE = """\
bgpvs-wf: give a verb; the commonest calls are

  bgpvs-wf run BIDS_DIR OUT_DIR                 measure the infants of a BIDS dataset
  bgpvs-wf segment T2W --t1w T1W -o FOLDER      measure one infant, without BIDS
  bgpvs-wf doctor                               say what is installed, what is missing

bgpvs-wf --help lists all verbs.
"""
_RUN = """\
bgpvs-wf: give a dataset and a folder for its results; the commonest calls are

  bgpvs-wf run BIDS_DIR OUT_DIR                 measure all infants; go on after a failure
  bgpvs-wf run BIDS_DIR OUT_DIR --dry-run       show who is there and what would run
  bgpvs-wf run --demo                           make an infant and run on it

bgpvs-wf run --help lists all options.
"""


def commonest_calls(words: Sequence[str]) -> str:
    """Return what to say to a call that has no argument; nothing if it has one.

    Examples
    --------
    >>> commonest_calls(["run"]).splitlines()[2].split("  ")[1]
    'bgpvs-wf run BIDS_DIR OUT_DIR'
    >>> commonest_calls(["run", "bids"])
    ''
    """
    return {(): _ALONE, ("run",): _RUN}.get(tuple(words), "")
