"""Cases in which an option is wrong: its number, its choice, its path, or itself."""

from __future__ import annotations

import shlex

from fuzzing import options
from fuzzing.drafts import Draft, Random, pick
from fuzzing.ground import CALLS, Site
from fuzzing.judge import CHANGED, EQUAL, FAILS, REFUSED, SAID, Rule


def number(rng: Random) -> Draft:
    """Give an option a number that it cannot have."""
    call = pick(rng, tuple(options.NUMBERS))
    option = pick(rng, options.NUMBERS[call])
    value = pick(
        rng, pick(rng, (options.NO_NUMBERS, options.NO_NUMBERS, options.TOO_LOW, options.EDGES))
    )
    outcomes = {REFUSED, *((FAILS,) if call == "atlas add" else ())}
    harmless = value in options.EDGES and (
        value in ("0", "-0", "1e-320") or option in ("--mem", "--number") or "seed" in option
    )
    if harmless or (value in options.TOO_LOW and option in options.MAY_BE_NEGATIVE):
        outcomes |= {EQUAL, CHANGED, SAID, FAILS}
    if option in ("--ages", "--age", "--min-age", "--max-age") and value in ("0", "1e-320", "-0"):
        outcomes |= {EQUAL, CHANGED, FAILS}
    return _with_option(call, option, value, frozenset(outcomes))


def _with_option(call: str, option: str, value: str, outcomes: frozenset[str]) -> Draft:
    words = (*CALLS[call], option, value)
    rule = Rule(outcomes, spellings(value, option, *(p for p in value.split("=")[1:] if p)))
    return Draft(call, f"{option} {value!r}", words, CALLS[call], lambda site: rule)


def spellings(value: str, *more: str) -> tuple[str, ...]:
    """Return how a message may write a value, and other words that name where it stands."""
    plain = value.encode("utf-8", "replace").decode()
    forms = (value, plain, repr(value)[1:-1], ascii(value)[1:-1], shlex.quote(value))
    forms += (value.encode("utf-8", "backslashreplace").decode(),)
    forms += (f"'{plain}'",)
    # A setting is named as a file has it.
    more += tuple(word.strip("-").replace("-", "_") for word in more if word.startswith("--"))
    found = [form[:40] for form in forms if len(form) > 1]
    alone = [f"{before}{value}" for before in " /" if len(value) == 1]
    return tuple(dict.fromkeys([*found, *alone, *more]))


_UNUSED = (("why", "--atlas"), ("validate", "--model"))
"""With the nuclei given; with pseudo-labels."""


def choice(rng: Random) -> Draft:
    """Give an option a choice that there is not."""
    call = pick(rng, tuple(options.CHOICES))
    option = pick(rng, options.CHOICES[call])
    value = pick(rng, options.NO_CHOICES)
    outcomes = {REFUSED, *((FAILS,) if call == "atlas add" else ())}
    if option in ("--plugin-args", "--derivatives", "--prediction") and "=" in value:
        outcomes |= {EQUAL, CHANGED}
    if option == "--sbatch-args":
        outcomes |= {EQUAL, CHANGED}
    if option == "--plugin-args" or (call, option) in _UNUSED:
        outcomes |= {EQUAL, CHANGED}
    if value == "../.." and option in ("--labels", "--reference", "--labelled"):
        outcomes |= {FAILS}
    return _with_option(call, option, value, frozenset(outcomes))


def unknown_option(rng: Random) -> Draft:
    """Give an option that there is not."""
    call = pick(rng, tuple(CALLS))
    option = pick(rng, options.UNKNOWN)
    words = (*CALLS[call], option)
    rule = Rule(frozenset({REFUSED}), (option.partition("=")[0][:4], option[:2]))
    return Draft(call, f"{option}", words, CALLS[call], lambda site: rule)


_METAVARS = {
    "bids": ("BIDS_DIR",), "new": ("OUT_DIR", "output folder"), "out": ("OUT_DIR",),
    "-w": ("--work-dir", "work folder"), "drawn": ("OUT",), "compared": ("OUT",),
    "trained": ("OUT",), "tuned": ("OUT",), "valid": ("OUT",), "export": ("EXPORT",),
    "experiment.toml": ("EXPERIMENT",), "recipe.toml": ("RECIPE",), "tiny": ("atlas",),
    ".": ("folder",),
}  # fmt: skip


def _placed(call: str, place: str, value: str) -> tuple[str, ...]:
    """Return a call with a path in some place: that of an option, or of a word."""
    words = list(CALLS[call])
    named = {"--derivatives": f"truth={value}", "--prediction": f"other={value}"}
    if not place.startswith("-"):
        words[words.index(place)] = value
    elif place in words:
        words[words.index(place) + 1] = named.get(place, value)
    elif call == "simulate" and place == "--onto":
        words = ["simulate", "drawn", place, value]
    else:
        words += [place, named.get(place, value)]
    return tuple(words)


def path_to_read(rng: Random) -> Draft:
    """Read from where nothing is."""
    call = pick(rng, tuple(options.INPUTS))
    place, value = pick(rng, options.INPUTS[call]), pick(rng, options.MISSING)
    outcomes = {REFUSED, *((FAILS,) if call.startswith(("atlas", "doctor")) else ())}
    if call == "doctor":
        outcomes |= {EQUAL, CHANGED}
    names = spellings(value, *_METAVARS.get(place, (place,)))
    rule = Rule(frozenset(outcomes), names)
    words = _placed(call, place, value)
    return Draft(call, f"{place}: {value!r} to read", words, CALLS[call], lambda site: rule)


def path_to_write(rng: Random) -> Draft:
    """Write to odd names, or where nothing can be written."""
    heavy = ("run", "submit", "suggest", "dry-run", "submit", "run")
    calls = heavy if rng.random() < 0.75 else tuple(options.OUTPUTS)
    call = pick(rng, calls)
    place = pick(rng, options.OUTPUTS[call])
    may = rng.random() < 0.5
    value = pick(rng, options.ODD if may else options.WRITES_NOTHING)
    outcomes = {REFUSED, FAILS} if not may else {REFUSED, EQUAL}
    if may and call != "run":
        outcomes |= {CHANGED}
    if value == "dangling/x/\0":
        outcomes = {REFUSED}
    names = spellings(value, *_METAVARS.get(place, (place,)))
    rule = Rule(frozenset(outcomes), names)

    def prepare(site: Site) -> Rule:
        (site.root / "loop").symlink_to("loop")
        return rule

    out = value if (call, place) == ("run", "new") else None
    words = _placed(call, place, value)
    return Draft(call, f"{place}: {value!r} to write", words, CALLS[call], prepare, out)
