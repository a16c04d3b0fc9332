"""Models that are not what they say: metadata of nonsense, weights of nonsense, hidden commands."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fuzzing.drafts import Draft, Random, pick
from fuzzing.ground import CALLS, Site
from fuzzing.judge import FAILS, REFUSED, Rule


@dataclass(frozen=True)
class Damage:
    """What is done to a model."""

    apply: Callable[[Site], None]
    at_once: bool = True
    """Whether the metadata alone tell it; else the weights must be read."""


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch fuzz_canary",)


def _metadata(change: Callable[[dict[str, Any]], None]) -> Damage:
    def apply(site: Site) -> None:
        path = site.root / "model" / "configs" / "metadata.json"
        content = json.loads(path.read_text())
        section = next(v for v in content.values() if isinstance(v, dict) and "coarse" in v)
        change(section)
        path.write_text(json.dumps(content))

    return Damage(apply)


def _set(name: str, value: Any) -> Damage:
    return _metadata(lambda section: section.update({name: value}))


def _of_pvs(name: str, value: Any) -> Damage:
    return _metadata(lambda section: section["fine"][0][1].update({name: value}))


def _weights(change: Callable[[bytes], bytes]) -> Damage:
    """Write other weights, with the checksum to them."""

    def apply(site: Site) -> None:
        def signed(section: dict[str, Any]) -> None:
            entry = section["fine"][0][1]
            path = site.root / "model" / entry["file"]
            content = change(path.read_bytes())
            path.write_bytes(content)
            entry["sha256"] = hashlib.sha256(content).hexdigest()

        _metadata(signed).apply(site)

    return Damage(apply, at_once=False)


def _filled(value: float) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        import torch

        state = torch.load(io.BytesIO(content), weights_only=True)
        for tensor in state.values():
            tensor.fill_(value)
        out = io.BytesIO()
        torch.save(state, out)
        return out.getvalue()

    return change


def _other_names(content: bytes) -> bytes:
    import torch

    state = torch.load(io.BytesIO(content), weights_only=True)
    out = io.BytesIO()
    torch.save({f"x.{name}": value for name, value in state.items()}, out)
    return out.getvalue()


def _saved(value: Any) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        import torch

        out = io.BytesIO()
        torch.save(value, out)
        return out.getvalue()

    return change


def _bomb(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(_Command()))
        archive.writestr("archive/version", "3\n")
    return out.getvalue()


def _renamed(name: str) -> Damage:
    return _of_pvs("file", name)


_NAN = float("nan")
DAMAGE: dict[str, Damage] = {
    "threshold nan": _set("pvs_threshold", _NAN),
    "threshold 2": _set("pvs_threshold", 2),
    "threshold -1": _set("pvs_threshold", -1),
    "threshold text": _set("pvs_threshold", "half"),
    "threshold list": _set("pvs_threshold", [0.5]),
    "tube_volume_margin nan": _set("tube_volume_margin", _NAN),
    "tube_volume_margin infinite": _set("tube_volume_margin", float("inf")),
    "tube_volume_margin -1": _set("tube_volume_margin", -1),
    "tube_volume_margin text": _set("tube_volume_margin", "x"),
    "name list": _set("name", ["a"]),
    "caution list": _set("caution", ["a"]),
    "coarse missing": _metadata(lambda section: section.pop("coarse")),
    "coarse text": _set("coarse", "x"),
    "fine empty": _set("fine", []),
    "fine text": _set("fine", "ab"),
    "fine number": _set("fine", 5),
    "fine one network": _metadata(lambda section: section["fine"][0].pop()),
    "filters empty": _of_pvs("filters", []),
    "filters negative": _of_pvs("filters", [-2, 4, 4]),
    "filters 0": _of_pvs("filters", [0, 0, 0]),
    "filters huge": _of_pvs("filters", [10**9, 10**9, 10**9]),
    "filters text": _of_pvs("filters", "248"),
    "filters halves": _of_pvs("filters", [2.5, 4.5, 4.5]),
    "filters number": _of_pvs("filters", 5),
    "filters many": _of_pvs("filters", [2] * 300),
    "tells unknown": _of_pvs("tells", "fortune"),
    "tells list": _of_pvs("tells", ["coarse"]),
    "file ../": _renamed("../filter.json"),
    "file absolute": _renamed("/etc/hostname"),
    "file folder": _renamed("models"),
    "file empty": _renamed(""),
    "file NUL": _renamed("a\0b"),
    "file long": _renamed("x" * 300),
    "file device": _renamed("/dev/zero"),
    "checksum missing": _metadata(lambda section: section["fine"][0][1].pop("sha256")),
    "checksum number": _of_pvs("sha256", 5),
    "weights nan": _weights(_filled(_NAN)),
    "weights infinite": _weights(_filled(float("inf"))),
    "weights other names": _weights(_other_names),
    "weights no tensors": _weights(_saved({"a": 1})),
    "weights list": _weights(_saved([1, 2])),
    "weights text": _weights(lambda content: b"weights"),
    "weights empty": _weights(lambda content: b""),
    "weights cut": _weights(lambda content: content[: len(content) // 2]),
    "weights command": _weights(lambda content: pickle.dumps(_Command())),
    "weights command in archive": _weights(_bomb),
}
"""Name, whose first word is what is damaged, to the damage."""
_UNSEEN = (
    *("file ../", "file absolute", "file folder", "file empty", "file NUL", "file long"),
    *("file device", "checksum number", "filters huge", "filters many", "tells list"),
)
"""What shows only when the weights are read."""
for _name in _UNSEEN:
    DAMAGE[_name] = Damage(DAMAGE[_name].apply, at_once=False)


def model(rng: Random) -> Draft:
    """Damage the model."""
    what = pick(rng, tuple(DAMAGE))
    call = pick(rng, ("run", "why", "finetune", "validate", "run"))
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

    return Draft(call, f"model: {what}", words, sound, prepare)
