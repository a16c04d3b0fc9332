"""What an answer to broken input must be like, whatever its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

REFUSED, FAILS, DOUBT, SAID, EQUAL, CHANGED = (
    "refused",
    "subject fails",
    "in doubt",
    "said",
    "equal",
    "changed",
)
"""Exit status 2 and one line; 1 and the subject named with its cause; 0 and the doubt said; 0 or 1,
the other one as without damage and the damage named; as without damage; 0 and other results."""
OUTCOMES = (REFUSED, FAILS, DOUBT, SAID, EQUAL, CHANGED)
_TRACEBACK = "Traceback (most recent call last)"
_JARGON = re.compile(
    r"\b[A-Z]\w*(?:Error|Exception)\b|NoneType|object at 0x|has no attribute|not subscriptable"
    r"|invalid literal for|codec can't|unhashable|positional argument|errno|\[Errno"
)
_OF_LIBRARIES = re.compile(r"^\S*\.py:\d+: \w*Warning", re.M)
_MISLEADING = ("more memory", "see what failed above")
_LONGEST = 1200
"""Characters of a message; the longest paths that are tried have 300."""
_MOST_LINES = 150
_USAGE = re.compile(r"^(usage:|\s)")
_LOG = re.compile(r"^(WARNING|INFO) ")


@dataclass(frozen=True)
class Rule:
    """What may come of a case."""

    outcomes: frozenset[str]
    names: tuple[str, ...] = ()
    """One of them must be in the message: the file, the option or the setting."""
    subject: str = ""
    """Who may fail or be in doubt; everybody else must be done as without damage."""

    def __post_init__(self) -> None:
        wrong = self.outcomes - {*OUTCOMES}
        if wrong or not self.outcomes:
            raise ValueError(f"no outcomes: {wrong}")


@dataclass(frozen=True)
class Answer:
    """What the program said and left."""

    status: int | None
    """None if it did not end in time; below 0 if a signal ended it."""
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    results: Mapping[str, str] = field(default_factory=dict)
    """Path of a result to the digest of its content."""
    touched: tuple[str, ...] = ()
    """Files of the raw dataset that changed."""
    executed: bool = False
    """Whether a command hidden in a name or a file was."""


@dataclass(frozen=True)
class Verdict:
    """What an answer is, and what is wrong with it."""

    outcome: str
    complaints: tuple[str, ...] = ()


def judge(rule: Rule, answer: Answer, sound: Answer) -> Verdict:
    """Judge an answer.

    Parameters
    ----------
    rule : Rule
    answer : Answer
    sound : Answer
        To the same call without damage.
    """
    grave = _grave(answer)
    if grave:
        return Verdict(grave[0].partition(":")[0], tuple(grave))
    outcome = _outcome(rule, answer, sound)
    complaints = [*_manners(answer)]
    if outcome not in rule.outcomes:
        asked = " or ".join(sorted(rule.outcomes))
        what = "nonsense accepted" if outcome in (EQUAL, CHANGED) else "wrong answer"
        complaints.append(f"{what}: {outcome}, not {asked}")
        return Verdict(outcome, tuple(complaints))
    if outcome == REFUSED:
        complaints += _of_refusal(rule, answer)
    elif outcome in (FAILS, DOUBT, SAID):
        complaints += _of_report(rule, outcome, answer, sound)
    return Verdict(outcome, tuple(complaints))


def _grave(answer: Answer) -> list[str]:
    """Return what no answer may be."""
    said = answer.stdout + answer.stderr
    found = []
    if answer.status is None:
        found.append("hang")
    if _TRACEBACK in said:
        last = said[said.rindex(_TRACEBACK) :].strip().splitlines()
        cause = next((x for x in reversed(last) if re.match(r"[\w.]+(Error|Exception)", x)), "")
        found.append(f"traceback: {cause[:200]}")
    if answer.executed:
        found.append("executed")
    if answer.touched:
        found.append(f"raw dataset changed: {', '.join(answer.touched[:3])}")
    if answer.status is not None and answer.status not in (0, 1, 2):
        found.append(f"exit status {answer.status}")
    return found


def _manners(answer: Answer) -> list[str]:
    said = answer.stdout + answer.stderr
    found = []
    jargon = _JARGON.search(said)
    if jargon:
        found.append(f"jargon: {_line_of(said, jargon.start())[:300]}")
    warning = _OF_LIBRARIES.search(said)
    if warning:
        found.append(f"a library's warning: {_line_of(said, warning.start())[:300]}")
    found += [f"misleading: {phrase!r}" for phrase in _MISLEADING if phrase in said]
    if len(said.splitlines()) > _MOST_LINES:
        found.append(f"{len(said.splitlines())} lines")
    return found


def _line_of(text: str, place: int) -> str:
    return text[text.rfind("\n", 0, place) + 1 :].partition("\n")[0]


def _outcome(rule: Rule, answer: Answer, sound: Answer) -> str:
    """Return which of `OUTCOMES` an answer is, by its exit status and results alone."""
    if answer.status == 2:
        return REFUSED
    if answer.status == 1:
        # What fails without damage, too, is no answer to it.
        alone = not rule.subject and FAILS in rule.outcomes
        return FAILS if alone or not _said(rule, answer, sound) else SAID
    doubted = _doubts(answer.stdout) - _doubts(sound.stdout)
    if doubted:
        return DOUBT
    if _said(rule, answer, sound):
        return SAID
    if answer.results != sound.results:
        return CHANGED
    same = bool(sound.results) or _plain(answer.stdout) == _plain(sound.stdout)
    return EQUAL if same else CHANGED


def _said(rule: Rule, answer: Answer, sound: Answer) -> bool:
    """Return whether the others are as without damage, and something new names the damage."""
    if SAID not in rule.outcomes or _others(rule, answer) != _others(rule, sound):
        return False
    known = {_plain(line) for line in (sound.stdout + sound.stderr).splitlines()}
    lines = (answer.stdout + answer.stderr).splitlines()
    new = [line for line in lines if _plain(line) not in known]
    return any(name in line for line in new for name in rule.names)


def _doubts(stdout: str) -> frozenset[str]:
    """Return the lines under "In doubt", without their numbers: those alone are no other doubt."""
    found, inside = set(), False
    for line in stdout.splitlines():
        if line.startswith(" ") and inside:
            label, _, text = line.strip().partition(": ")
            found.add(f"{label}: {re.sub(r'[0-9]+', '#', text)}")
        inside = line.startswith(("In doubt", " ")) and (inside or not line.startswith(" "))
    return frozenset(found)


def _plain(stdout: str) -> str:
    """Return output without what differs from call to call."""
    stdout = re.sub(r"^\d\d:\d\d:\d\d .*$", "", stdout, flags=re.M)  # who is where meanwhile
    text = re.sub(r"after \d+ s|\d{8}-\d{6}_\d+|/\S*/", "", stdout)
    return re.sub(r"\s+|\d+\.\d GB", " ", text).strip()


def _others(rule: Rule, answer: Answer) -> dict[str, str]:
    """Return the results of those who are not damaged."""
    mine = f"{rule.subject}/" if rule.subject else None
    return {
        path: digest
        for path, digest in answer.results.items()
        if path.startswith("sub-") and (mine is None or not path.startswith(mine))
    }


def messages(stderr: str) -> list[str]:
    """Return the lines of standard error that are neither usage nor log."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    return [line for line in lines if not _USAGE.match(line) and not _LOG.match(line)]


def _of_refusal(rule: Rule, answer: Answer) -> list[str]:
    lines = messages(answer.stderr)
    if len(lines) != 1:
        return [f"a refusal of {len(lines)} lines: {lines[:2]}"]
    found = []
    if not lines[0].startswith("bgpvs-wf"):
        found.append(f"not the program's words: {lines[0][:200]}")
    if len(lines[0]) > _LONGEST:
        found.append(f"a message of {len(lines[0])} characters")
    if rule.names and not any(name in lines[0] for name in rule.names):
        found.append(f"names none of {rule.names}: {lines[0][:300]}")
    return found


def _of_report(rule: Rule, outcome: str, answer: Answer, sound: Answer) -> list[str]:
    said = answer.stdout + answer.stderr
    found = []
    if outcome == DOUBT:
        said = "\n".join(_doubts(answer.stdout) - _doubts(sound.stdout))
    if rule.subject and outcome != SAID and rule.subject not in said:
        found.append(f"does not name {rule.subject}")
    if rule.names and outcome != DOUBT and not any(name in said for name in rule.names):
        told = [line for line in said.splitlines() if rule.subject in line][-3:]
        found.append(f"names none of {rule.names}: {' | '.join(told)[:400]}")
    everybody = outcome == FAILS and not rule.subject  # what all need is damaged
    if not everybody and sound.results and _others(rule, answer) != _others(rule, sound):
        missing = _others(rule, sound).keys() - _others(rule, answer).keys()
        how = f"lost {sorted(missing)[:2]}" if missing else "came out otherwise"
        found.append(f"others suffer: {how}")
    return found
