"""The parser of all verbs: what hands type is read, and what cannot be is said in a line."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bgpvs_wf.errors import UsageError
from bgpvs_wf.paths import check_path
from bgpvs_wf.settings import check_number

_IT = "it"
_NAMED = re.compile(rf"argument (?P<names>\S+): {_IT} is ")
_GB = {"": 1.0, "k": 1024.0**-2, "m": 1 / 1024, "g": 1.0, "t": 1024.0}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """Refuses paths and numbers that nobody can mean, and names the nearest of its options."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(*arguments, **options)
        self.register("type", Path, _path)
        self.register("type", int, whole())
        self.register("type", float, decimal())

    def error(self, message: str) -> NoReturn:
        """Say what is wrong beneath the usage, and exit with 2; of a value, a line is enough.

        Raises
        ------
        UsageError
            Names the option whose value it is.
        """
        named = _NAMED.match(message)
        if named:
            option = named["names"].split("/")[-1]
            raise UsageError(f"{option} is {message[named.end() :]}")
        super().error(message)

    def check_options(self, words: Sequence[str]) -> None:
        """Refuse options that the verb does not have, with the nearest that it has."""
        known = self._option_string_actions
        for word in words:
            name = word.partition("=")[0]
            if word == "--":
                return
            if word.startswith("--") and name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"see {self.prog} --help."
                self.error(f"unknown option {name}; {hint}")

    def has_option(self, word: str) -> bool:
        """Say whether a word is an option of this parser, with its value or without."""
        return word.partition("=")[0] in self._option_string_actions

    def leaf(self, words: Sequence[str]) -> Parser:
        """Return the parser of the verb, and of the verb's verb, that words name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for number, word in enumerate(words):
                    if word in action.choices:
                        found: Parser = action.choices[word]
                        return found.leaf(words[number + 1 :])
        return self


def whole(**rule: Any) -> Callable[[str], int]:
    """Return what reads a whole number within bounds; see `bgpvs_wf.settings.Rule`."""

    def read(text: str) -> int:
        return int(_checked(number(text), whole=True, **rule))

    return read


def decimal(**rule: Any) -> Callable[[str], float]:
    """Return what reads a number within bounds; see `bgpvs_wf.settings.Rule`."""

    def read(text: str) -> float:
        return float(_checked(number(text), **rule))

    return read


def gigabytes(text: str) -> Any:
    """Read an amount of memory in GB; other text stays text.

    Examples
    --------
    >>> gigabytes("8"), gigabytes("8GB"), gigabytes("512 MB"), gigabytes("much")
    (8.0, 8.0, 0.5, 'much')
    """
    found = _AMOUNT.fullmatch(text)
    return float(found[1]) * _GB[found[2].lower()] if found else number(text)


def megabytes(text: str) -> Any:
    """Read an amount of memory in MB, as GB; other text stays text."""
    value = number(text)
    return value if isinstance(value, str) else value / 1024


def spelt_with_hyphens(words: Sequence[str]) -> Iterator[str]:
    """Yield words of a command line; underscores in the names of options become hyphens.

    Examples
    --------
    >>> list(spelt_with_hyphens(["run", "a_b", "--work_dir=x_y", "--", "--a_b"]))
    ['run', 'a_b', '--work-dir=x_y', '--', '--a_b']
    """
    options = True
    for word in words:
        options = options and word != "--"
        name, equals, value = word.partition("=")
        if options and word.startswith("--"):
            yield f"{name.replace('_', '-')}{equals}{value}"
        else:
            yield word


def number(text: str) -> Any:
    """Read a number for what says itself what it may be; other text stays text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _checked(value: Any, **rule: Any) -> Any:
    try:
        return check_number(value, _IT, **rule)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _path(text: str) -> Path:
    try:
        return check_path(text, _IT)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
