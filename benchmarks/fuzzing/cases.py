"""Cases by number: what is damaged how, what is called, and the rule its answer is judged by."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing import damage as ways
from fuzzing import options
from fuzzing.ground import CALLS, Site
from fuzzing.judge import CHANGED, DOUBT, EQUAL, FAILS, REFUSED, SAID, Rule
from fuzzing.settings_cases import setting
from fuzzing.targets import ANY, TARGETS, Target, targets


@dataclass(frozen=True)
class Case:
    """A call, and what is done to the site before it."""

    number: int
    kind: str
    call: str
    """A key of `fuzzing.ground.CALLS`."""
    what: str
    """The damage, in words."""
    words: tuple[str, ...]
    sound: tuple[str, ...]
    """The same call without damage."""
    prepare: Callable[[Site], Rule]
    """Damages the site; returns the rule."""
    out: str = ""
    """Folder of results that are compared; empty: none."""
    without_rights: bool = False
    """Permissions count, even for root."""

    @property
    def command(self) -> str:
        """Return what to type."""
        return shlex.join(["bgpvs-wf", *self.words])


@dataclass(frozen=True)
class _Draft:
    """A case before it has a number."""

    call: str
    what: str
    words: tuple[str, ...]
    sound: tuple[str, ...]
    prepare: Callable[[Site], Rule]
    out: str | None = None
    without_rights: bool = False


Random = np.random.Generator
_RESULTS = {"run": "new", "again": "out"}
_HEAVY = ("compare", "validate", "train", "finetune", "evaluate", "simulate")
_BYTES: dict[str, Callable[[Path, Random], None]] = {
    "truncated": ways.truncate,
    "empty": ways.empty,
    "random bytes": ways.randomise,
    "bytes flipped": ways.flip,
    "a web page": ways.web_page,
    "wrong gzip": ways.wrong_gzip,
}


def make_case(seed: int, number: int, only: str = "", light: bool = False) -> Case:
    """Return a case; the same numbers give the same case.

    Parameters
    ----------
    seed, number : int
    only : str
        Name of a kind; cases of it alone are made.
    light : bool
        Make none whose undamaged call takes more than some seconds.
    """
    kind = only or ORDER[number % len(ORDER)]
    rng = np.random.default_rng([seed, number, *kind.encode()])
    draft = KINDS[kind](rng)
    while light and draft.call in _HEAVY:
        draft = KINDS[kind](rng)
    out = _RESULTS.get(draft.call, "") if draft.out is None else draft.out
    return Case(number, kind, draft.call, draft.what, draft.words, draft.sound, draft.prepare, out,
                draft.without_rights)  # fmt: skip


def _pick(rng: Random, items: Sequence[Any]) -> Any:
    return items[rng.integers(len(items))]


def _on_file(
    target: Target,
    what: str,
    change: Callable[[Path], None],
    *more: str,
    without_rights: bool = False,
) -> _Draft:
    """Return a case in which a file is changed."""
    words = CALLS[target.call] + target.words

    def prepare(site: Site) -> Rule:
        rule = target.rule(site, *more)
        path = target.find(site)
        if not path.exists():
            path.write_text("{}")
        change(path)
        return rule

    return _Draft(
        target.call, f"{target.name}: {what}", words, words, prepare, without_rights=without_rights
    )


def _bytes(rng: Random) -> _Draft:
    what = _pick(rng, tuple(_BYTES))
    formats = ("scan", "labels") if what == "wrong gzip" else ()
    target = _pick(rng, targets(*formats) if formats else TARGETS)
    seed = int(rng.integers(2**31))
    more: tuple[str, ...] = ()
    text = target.format in ("tsv", "toml", "yaml", "text")
    if what == "bytes flipped" or (what == "truncated" and text):
        more = ANY  # it may still be valid
    if what == "empty" and target.format == "yaml":
        more = (EQUAL, CHANGED)
    return _on_file(
        target, what, lambda path: _BYTES[what](path, np.random.default_rng(seed)), *more
    )


def _special(rng: Random) -> _Draft:
    target, what = _pick(rng, TARGETS), _pick(rng, tuple(ways.SPECIAL))
    more = ()
    if target.format == "text":
        more = (EQUAL, FAILS, REFUSED, SAID)
    if what == "no permission" and target.call == "again":
        more = (EQUAL,)  # what was read before need not be read again
    elif target.subject and target.format == "scan":
        more = (DOUBT, SAID)  # the other image alone may do, if that is said
    return _on_file(
        target, what, lambda path: ways.replace_by(path, what), *more,
        without_rights=what == "no permission",
    )  # fmt: skip


_NAN = float("nan")
_DAMAGED: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("dim[0]", (0, -1, 1, 2, 9, 300)),
    *((f"dim[{i}]", (0, -1, 1, 5000, 32767)) for i in (1, 2, 3)),
    ("datatype", (0, 1, 3, 9999, 64, 1024)),
    ("vox_offset", (-1.0, 0.0, 100.0, 351.0, 1e9, 3e38, _NAN, float("inf"))),
    ("magic", (b"ni1\0", b"abcd", b"\0\0\0\0", b"n+2\0")),
)
"""The voxels cannot be read, or not as they were written."""
_DOUBTFUL: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("sizeof_hdr", (0, 540, -1)),
    *((f"pixdim[{i}]", (0.0, -1.0, _NAN, float("inf"), 1e-30, 1e30)) for i in (1, 2, 3)),
    ("srow_x[0]", (0.0, _NAN, float("inf"), 1e30, 1e-30, 50.0)),
    ("srow_x[3]", (_NAN, float("inf"), 1e30)),
    ("srow_y[1]", (0.0, _NAN, 40.0)),
    ("srow_z[2]", (0.0, _NAN, -1e20)),
    ("scl_slope", (_NAN, float("inf"), 1e38, 1e-38)),
    ("scl_inter", (_NAN, float("inf"), 1e38, -1e6)),
    ("qform_code", (-1, 99, 32767)),
    ("sform_code", (-1, 99)),
    ("quatern_b", (_NAN, 9.0, float("inf"))),
    ("qoffset_x", (_NAN, 1e30)),
    ("xyzt_units", (1, 3, 255)),
)
"""It may be refused, be in doubt, or be without effect; other results must not come silently."""
_HARMLESS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("cal_max", (_NAN, 1e30)),
    ("pixdim[0]", (0.0,)),
)


def _header(rng: Random) -> _Draft:
    group = _pick(rng, (_DAMAGED, _DAMAGED, _DOUBTFUL, _DOUBTFUL, _HARMLESS))
    name, values = _pick(rng, group)
    value = _pick(rng, values)
    both = rng.random() < 0.15
    changes = {name: value}
    more: tuple[str, ...] = ()
    if both:
        changes, what = {"qform_code": 0, "sform_code": 0}, "both codes 0"
        more = (FAILS, DOUBT)
    else:
        what = f"{name} = {value!r}"
        if group is not _DAMAGED:
            more = (FAILS, DOUBT, EQUAL, REFUSED, SAID)
    target = _pick(rng, targets("scan", "labels"))
    if group is _DAMAGED and name.startswith("dim[") and target.format == "labels":
        more = (*more, FAILS, REFUSED)
    if target.call in ("evaluate", "suggest", "finetune", "validate", "atlas add", "simulate"):
        # Where no results are compared, a number may change by what a number is.
        more = (*more, CHANGED) if more else more
    draft = _on_file(target, what, lambda path: ways.set_fields(path, changes), *more)
    return draft


_NO_UNCERTAINTY = (
    *("all nan", "a tenth nan", "a half infinite", "below zero", "one slice", "two volumes"),
    *("no voxels in a row",),
)


def _voxels(rng: Random) -> _Draft:
    target = _pick(rng, targets("scan", "labels"))
    table = ways.IMAGES if target.format == "scan" else ways.LABELS
    what = _pick(rng, tuple(table))
    seed = int(rng.integers(2**31))
    more: tuple[str, ...] = (DOUBT, FAILS)
    if target.call in ("atlas add", "simulate"):
        more = (REFUSED, FAILS, DOUBT)
    if target.call in ("evaluate", "suggest", "finetune", "validate"):
        more = (REFUSED, FAILS, DOUBT, SAID)
    if target.name == "uncertainty" and what not in _NO_UNCERTAINTY:
        more = ANY
    if target.name == "T1w" and what in ("stripes", "noise", "two values", "one voxel"):
        more = ANY  # what is measured is the T2w's
    if target.name == "image of an atlas" and what in ("inverted", "z-scores", "two values"):
        more = ANY  # an atlas may look like that
    if what in ("no labels", "one label", "one voxel", "everywhere") and target.name in (
        *("labels of a run", "prediction", "reference", "given labels"),
    ):
        more = ANY  # some basal ganglia, or none

    def change(path: Path) -> None:
        rng = np.random.default_rng(seed)
        ways.change_voxels(path, lambda data: np.asarray(table[what](data, rng), np.float32))

    return _on_file(target, what, change, *more)


def _tables(rng: Random) -> _Draft:
    target = _pick(rng, targets("tsv"))
    if rng.random() < 0.15:
        what = _pick(rng, tuple(ways.LOSSLESS_TABLES))
        write: Callable[[str], bytes] = ways.LOSSLESS_TABLES[what]
        draft = _on_file(target, what, lambda path: path.write_bytes(write(path.read_text())))
        return replace(draft, prepare=_allowing(draft.prepare, frozenset({EQUAL, SAID})))
    what = _pick(rng, tuple(ways.TABLES))
    more: tuple[str, ...] = ()
    of_measures = target.name.startswith(("table of a subject", "table of all"))
    if what == "column twice" or (what == "fewer cells" and not of_measures):
        more = ANY  # not what is read there
    if what == "blanks" and target.name == "label table":
        more = ANY
    if what in ("row twice", "first column renamed", "more cells") and not of_measures:
        more = (REFUSED, FAILS, SAID, DOUBT)
    if target.name == "label table" or target.name == "table of all":
        more = ANY
    if what == "latin-1":
        more = (*more, *((EQUAL,) if of_measures else ()))
    return _on_file(
        target, what, lambda path: path.write_bytes(ways.TABLES[what](path.read_text())), *more
    )


def _allowing(prepare: Callable[[Site], Rule], outcomes: frozenset[str]) -> Callable[[Site], Rule]:
    return lambda site: replace(prepare(site), outcomes=outcomes)


def _text(rng: Random) -> _Draft:
    format = _pick(rng, ("json", "json", "toml", "yaml"))
    target = _pick(rng, targets(format))
    table = {"json": ways.JSON, "toml": ways.TOML, "yaml": ways.YAML}[format]
    what = _pick(rng, tuple(table))
    more: tuple[str, ...] = ()
    if target.name == "filter" and what in ("a long number", "lone surrogate"):
        more = ANY
    if what in ("number key", "a text", "self-reference", "two documents"):
        more = (EQUAL, CHANGED) if what == "a text" else ()
    return _on_file(target, what, lambda path: path.write_bytes(table[what]), *more)


_OPTIONS = {"memory_gb": ("--mem",), "work_dir": ("work folder",), "output_dir": ("output folder",)}
"""Where a message speaks of a setting in the words of the command line."""


def _settings(rng: Random) -> _Draft:
    call, name, file, what, content, outcomes = setting(rng)
    words = CALLS[call]

    def prepare(site: Site) -> Rule:
        (site.root / file).write_text(content, encoding="utf-8", errors="surrogateescape")
        return Rule(outcomes, (name, f"--{name.replace('_', '-')}", *_OPTIONS.get(name, ())))

    return _Draft(call, what, words, words, prepare)


def _numbers(rng: Random) -> _Draft:
    call = _pick(rng, tuple(options.NUMBERS))
    option = _pick(rng, options.NUMBERS[call])
    value = _pick(
        rng, _pick(rng, (options.NO_NUMBERS, options.NO_NUMBERS, options.TOO_LOW, options.EDGES))
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


def _with_option(call: str, option: str, value: str, outcomes: frozenset[str]) -> _Draft:
    words = (*CALLS[call], option, value)
    rule = Rule(outcomes, _spellings(value, option, *(p for p in value.split("=")[1:] if p)))
    return _Draft(call, f"{option} {value!r}", words, CALLS[call], lambda site: rule)


def _spellings(value: str, *more: str) -> tuple[str, ...]:
    """Return how a message may write a value, and other words that name where it stands."""
    plain = value.encode("utf-8", "replace").decode()
    forms = (value, plain, repr(value)[1:-1], ascii(value)[1:-1], shlex.quote(value))
    forms += (value.encode("utf-8", "backslashreplace").decode(),)
    found = [form[:40] for form in forms if len(form) > 1]
    alone = [f"{before}{value}" for before in " /" if len(value) == 1]
    return tuple(dict.fromkeys([*found, *alone, *more]))


_UNUSED = (("why", "--atlas"), ("validate", "--model"))
"""With the nuclei given; with pseudo-labels."""


def _choices(rng: Random) -> _Draft:
    call = _pick(rng, tuple(options.CHOICES))
    option = _pick(rng, options.CHOICES[call])
    value = _pick(rng, options.NO_CHOICES)
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


def _unknown(rng: Random) -> _Draft:
    call = _pick(rng, tuple(CALLS))
    option = _pick(rng, options.UNKNOWN)
    words = (*CALLS[call], option)
    rule = Rule(frozenset({REFUSED}), (option.partition("=")[0][:4], option[:2]))
    return _Draft(call, f"{option}", words, CALLS[call], lambda site: rule)


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


def _inputs(rng: Random) -> _Draft:
    call = _pick(rng, tuple(options.INPUTS))
    place, value = _pick(rng, options.INPUTS[call]), _pick(rng, options.MISSING)
    outcomes = {REFUSED, *((FAILS,) if call.startswith(("atlas", "doctor")) else ())}
    if call == "doctor":
        outcomes |= {EQUAL, CHANGED}
    names = _spellings(value, *_METAVARS.get(place, (place,)))
    rule = Rule(frozenset(outcomes), names)
    words = _placed(call, place, value)
    return _Draft(call, f"{place}: {value!r} to read", words, CALLS[call], lambda site: rule)


def _outputs(rng: Random) -> _Draft:
    heavy = ("run", "submit", "suggest", "dry-run", "submit", "run")
    calls = heavy if rng.random() < 0.75 else tuple(options.OUTPUTS)
    call = _pick(rng, calls)
    place = _pick(rng, options.OUTPUTS[call])
    may = rng.random() < 0.5
    value = _pick(rng, options.ODD if may else options.WRITES_NOTHING)
    outcomes = {REFUSED, FAILS} if not may else {REFUSED, EQUAL}
    if may and call != "run":
        outcomes |= {CHANGED}
    if value == "dangling/x/\0":
        outcomes = {REFUSED}
    names = _spellings(value, *_METAVARS.get(place, (place,)))
    rule = Rule(frozenset(outcomes), names)

    def prepare(site: Site) -> Rule:
        (site.root / "loop").symlink_to("loop")
        return rule

    out = value if (call, place) == ("run", "new") else None
    words = _placed(call, place, value)
    return _Draft(call, f"{place}: {value!r} to write", words, CALLS[call], prepare, out)


def _intruder(
    path: str, *, of: str = "bids/sub-01/anat/sub-01_T2w.nii.gz"
) -> Callable[[Site], None]:
    """Return what copies the scan of another infant to a wrong place."""

    def place(site: Site) -> None:
        to = site.root / "bids" / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(site.scan("02"), to)

    return place


INTRUDERS: tuple[str, ...] = (
    "sub-01-B/anat/sub-01-B_T2w.nii.gz",
    "sub-01 copy/anat/sub-01_T2w.nii.gz",
    "sub-01_old/anat/sub-01_T2w.nii.gz",
    "sub-01.bak/anat/sub-01_T2w.nii.gz",
    "sub-01~/anat/sub-01_T2w.nii.gz",
    "sub-02/anat/sub-03_T2w.nii.gz",
    "sub-01/anat/sub-02_T2w.nii.gz",
    "sub-01/anat/sub-01_ses-1_T2w.nii.gz",
    "sub-01/anat/sub-01-B_run-2_T2w.nii.gz",
    "sub-01/anat/sub-01_run-9-x_T2w.nii.gz",
    "sub-01/anat/sub-01_T2w copy.nii.gz",
    "sub-01/anat/Copy of sub-01_T2w.nii.gz",
    "sub-01/anat/sub-01_T2w (1).nii.gz",
    "sub-01/anat/sub-01_T2W.nii.gz",
    "sub-03/anat/sub-03_T2W.nii.gz",
    "sub-03/anat/sub-03_T2w.mgz",
    "sub-03/anat/sub-03_T2w.img",
    "sub-03/anat/sub-03_t2w.nii.gz",
    "sub-03/sub-03_T2w.nii.gz",
    "sub-/anat/sub-_T2w.nii.gz",
    "sub--/anat/sub--_T2w.nii.gz",
    "sub-03/anat/sub-3_T2w.nii.gz",
    "Sub-03/anat/Sub-03_T2w.nii.gz",
    "sub-03/ses-1-retest/anat/sub-03_ses-1-retest_T2w.nii.gz",
    "sub-03/ses-a/anat/sub-03_ses-b_T2w.nii.gz",
    "sub-é/anat/sub-é_T2w.nii.gz",
    "sub-0 3/anat/sub-0 3_T2w.nii.gz",
    "sub-$(touch fuzz_canary)/anat/sub-$(touch fuzz_canary)_T2w.nii.gz",
    "sub-03\n/anat/sub-03\n_T2w.nii.gz",
)
"""Scans that are nobody's; or somebody's who cannot be told."""


def _names(rng: Random) -> _Draft:
    path, call = _pick(rng, INTRUDERS), _pick(rng, ("run", "again", "dry-run", "why"))
    place = _intruder(path)
    parts = Path(path).parts
    rule = Rule(
        frozenset({SAID, DOUBT, FAILS, REFUSED}),
        tuple(
            {*_spellings(parts[-1]), *_spellings(parts[0]), *_spellings(parts[1])}
            - {"anat", "sub-01", "sub-02", "sub-03"}
        ),
    )

    def prepare(site: Site) -> Rule:
        place(site)
        return rule

    return _Draft(call, f"beside the others {path!r}", CALLS[call], CALLS[call], prepare)


def _model(rng: Random) -> _Draft:
    from fuzzing.model_cases import DAMAGE

    what = _pick(rng, tuple(DAMAGE))
    call = _pick(rng, ("run", "why", "finetune", "validate", "run"))
    rule = Rule(frozenset({REFUSED, FAILS}), ("model", "--model", what.partition(" ")[0]))
    words = CALLS[call]
    sound = words
    if call == "validate":
        words = (*words, "--segmentation", "model", "--model", "model")
    reads = DAMAGE[what].at_once
    if not reads and call in ("why", "validate"):
        call, words = "run", CALLS["run"]
        sound = words

    def prepare(site: Site) -> Rule:
        DAMAGE[what].apply(site)
        return rule

    return _Draft(call, f"model: {what}", words, sound, prepare)


KINDS: dict[str, Callable[[Random], _Draft]] = {
    "bytes": _bytes,
    "special file": _special,
    "header": _header,
    "voxels": _voxels,
    "names": _names,
    "table": _tables,
    "text": _text,
    "setting": _settings,
    "model": _model,
    "number": _numbers,
    "choice": _choices,
    "unknown option": _unknown,
    "path to read": _inputs,
    "path to write": _outputs,
}
ORDER = (
    "bytes", "special file", "header", "number", "text", "voxels", "setting", "path to write",
    "table", "bytes", "special file", "names", "path to read", "setting", "model", "choice",
    "header", "text", "number", "unknown option",
)  # fmt: skip
"""Kinds in turn; some are tried more often."""
