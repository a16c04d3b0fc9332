"""Cases in which a file is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from fuzzing import damage as ways
from fuzzing.drafts import Draft, Random, pick
from fuzzing.ground import CALLS, Site
from fuzzing.judge import CHANGED, DOUBT, EQUAL, FAILS, REFUSED, SAID, Rule
from fuzzing.targets import ANY, TARGETS, Target, targets

_BYTES: dict[str, Callable[[Path, Random], None]] = {
    "truncated": ways.truncate,
    "empty": ways.empty,
    "random bytes": ways.randomise,
    "bytes flipped": ways.flip,
    "a web page": ways.web_page,
    "wrong gzip": ways.wrong_gzip,
}


def _on_file(
    target: Target,
    what: str,
    change: Callable[[Path], None],
    *more: str,
    without_rights: bool = False,
) -> Draft:
    """Return a case in which a file is changed."""
    words = CALLS[target.call] + target.words

    def prepare(site: Site) -> Rule:
        rule = target.rule(site, *more)
        path = target.find(site)
        if not path.exists():
            path.write_text("{}")
        change(path)
        return rule

    return Draft(
        target.call, f"{target.name}: {what}", words, words, prepare, without_rights=without_rights
    )


def damaged_bytes(rng: Random) -> Draft:
    """Damage the bytes of a file."""
    what = pick(rng, tuple(_BYTES))
    formats = ("scan", "labels") if what == "wrong gzip" else ()
    target = pick(rng, targets(*formats) if formats else TARGETS)
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


def special_file(rng: Random) -> Draft:
    """Put something else in place of a file."""
    target, what = pick(rng, TARGETS), pick(rng, tuple(ways.SPECIAL))
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


def header(rng: Random) -> Draft:
    """Set a field of a NIfTI header."""
    group = pick(rng, (_DAMAGED, _DAMAGED, _DOUBTFUL, _DOUBTFUL, _HARMLESS))
    name, values = pick(rng, group)
    value = pick(rng, values)
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
    target = pick(rng, targets("scan", "labels"))
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


def voxels(rng: Random) -> Draft:
    """Put other voxels under a header."""
    target = pick(rng, targets("scan", "labels"))
    table = ways.IMAGES if target.format == "scan" else ways.LABELS
    what = pick(rng, tuple(table))
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


def table(rng: Random) -> Draft:
    """Break a table, or write it otherwise."""
    target = pick(rng, targets("tsv"))
    if rng.random() < 0.15:
        what = pick(rng, tuple(ways.LOSSLESS_TABLES))
        write: Callable[[str], bytes] = ways.LOSSLESS_TABLES[what]
        draft = _on_file(target, what, lambda path: path.write_bytes(write(path.read_text())))
        return replace(draft, prepare=_allowing(draft.prepare, frozenset({EQUAL, SAID})))
    what = pick(rng, tuple(ways.TABLES))
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


def text(rng: Random) -> Draft:
    """Write other JSON, TOML or YAML."""
    format = pick(rng, ("json", "json", "toml", "yaml"))
    target = pick(rng, targets(format))
    table = {"json": ways.JSON, "toml": ways.TOML, "yaml": ways.YAML}[format]
    what = pick(rng, tuple(table))
    more: tuple[str, ...] = ()
    if target.name == "filter" and what in ("a long number", "lone surrogate"):
        more = ANY
    if what in ("number key", "a text", "self-reference", "two documents"):
        more = (EQUAL, CHANGED) if what == "a text" else ()
    return _on_file(target, what, lambda path: path.write_bytes(table[what]), *more)
