"""Models on disk: MONAI bundle folders, whose weights are checked before they are used.

What a run needs to know of a model (its name and checksum) is in a small JSON file, so that
nothing heavy is imported to tell whether a model has changed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgpvs_wf.errors import ModelError, UsageError
from bgpvs_wf.learning.models.bundle_config import LICENSE, inference_config, metadata, part_names
from bgpvs_wf.learning.nets.architectures import (
    ANATOMY,
    COARSE,
    HEAD,
    JOINT,
    MASK,
    PVS,
    NetworkConfig,
)
from bgpvs_wf.reading import load_json, read_bytes, why_not
from bgpvs_wf.settings import check_number

if TYPE_CHECKING:
    import torch
    from torch import nn

    Trained = tuple[NetworkConfig, Mapping[str, torch.Tensor]]
    """A network and its weights."""

DEFAULT_MODEL = "infant"
"""Name of the model in the box that is used where none is named."""
_METADATA = Path("configs") / "metadata.json"
_SECTION = "bgpvs_wf"


@dataclass(frozen=True, kw_only=True)
class NetworkFile:
    """A network of a model, and where its weights are."""

    file: str
    """Relative to the model's folder."""
    sha256: str
    network: NetworkConfig


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as its metadata describe it; no weights are in memory."""

    folder: Path
    name: str
    strategy: str
    """How it was trained."""
    coarse: NetworkFile
    fine: tuple[tuple[NetworkFile, ...], ...]
    """Members of an ensemble, of one network or two each.

    See `bgpvs_wf.learning.inference.ensemble`.
    """
    pvs_threshold: float
    """Probability from which on a voxel is PVS."""
    head: NetworkFile | None = None
    """What finds the brain in a whole head, and how it lies; None: that of the model in the box."""
    mask: NetworkFile | None = None
    """What sees more precisely what is brain then; it is there where `head` is."""
    tube_volume_margin: float | None = None
    """How far, in the logarithm, volumes of tubes may be off; None: there is no interval of them.

    See `bgpvs_wf.quantification.interval`.
    """
    caution: str = ""
    """What everybody who uses it must know; it stands on top of each subject's page."""

    @property
    def checksum(self) -> str:
        """SHA-256 of all weights and thresholds: the same results come from the same one."""
        head = [file.sha256 for file in (self.head, self.mask) if file is not None]
        weights = [self.coarse.sha256, [[one.sha256 for one in m] for m in self.fine]]
        content = json.dumps([*weights, self.pvs_threshold, self.tube_volume_margin, *head])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def label(self) -> str:
        """Name and start of the checksum."""
        return f"{self.name} {self.checksum[:12]}"

    @property
    def files(self) -> Iterator[NetworkFile]:
        """All networks."""
        yield from (file for file in (self.head, self.mask) if file is not None)
        yield self.coarse
        for member in self.fine:
            yield from member


def models_folder() -> Path:
    """Return the folder of the models in the box."""
    from importlib import resources

    return Path(str(resources.files("bgpvs_wf.data"))).resolve() / "models"


def head_file(model: Model, tells: str = HEAD) -> NetworkFile:
    """Return the file of one of a model's own networks for whole heads, `HEAD` or `MASK`.

    Raises
    ------
    UsageError
        If it has none.
    """
    file = model.head if tells == HEAD else model.mask
    if file is None:
        raise UsageError(
            f"the model {model.name} has no network for whole heads of its own; give another one."
        )
    return file


def find_model(name_or_path: str = "") -> Model:
    """Return a model in the box by its name, or one by the path of its folder.

    Parameters
    ----------
    name_or_path : str
        Empty means the default of those in the box.

    Raises
    ------
    ModelError
        If it is not there, or is no model.
    """
    box = models_folder()
    named = box / (name_or_path or DEFAULT_MODEL)
    if (not name_or_path or Path(name_or_path).name == name_or_path) and os.path.isdir(named):
        return read_bundle(named)
    if name_or_path and os.path.isdir(os.path.expanduser(name_or_path)):
        return read_bundle(name_or_path)
    advice = "give --model PATH or --segmentation pseudolabel"
    known = sorted(p.name for p in box.glob("*") if p.is_dir() and not p.name.startswith("."))
    if not known:
        missing = f"'{name_or_path}' is no folder, and there" if name_or_path else "There"
        raise ModelError(f"{missing} is no model in the box yet; {advice}.")
    raise ModelError(
        f"There is no model '{name_or_path or DEFAULT_MODEL}'; "
        f"in the box: {', '.join(known)}; or {advice}."
    )


def read_bundle(path: str | Path) -> Model:
    """Read the metadata of a model; its weights are not looked at.

    Raises
    ------
    ModelError
        If the folder is not there, or not a model of this program.
    """
    folder = Path(path).expanduser().absolute()
    where = folder / _METADATA
    if not folder.is_dir():
        raise ModelError(f"There is no model at {folder}; correct the path.")
    try:
        section = load_json(where)[_SECTION]
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is no model: it has no {_METADATA}; give the folder of one."
        ) from error
    except OSError as error:
        raise ModelError(f"Cannot read the model's {where}: {why_not(error, where)}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{where} is damaged or of another program: no section '{_SECTION}' can be read; "
            "take the folder from its source again."
        ) from error
    try:
        model = Model(
            folder=folder,
            name=_text(section["name"], "name"),
            strategy=_text(section["strategy"], "strategy"),
            coarse=_network_file(section["coarse"]),
            fine=tuple(tuple(map(_network_file, member)) for member in section["fine"]),
            pvs_threshold=check_number(
                section["pvs_threshold"], "pvs_threshold", above=0.0, below=1.0
            ),
            head=_network_file(section[HEAD]) if section.get(HEAD) else None,
            mask=_network_file(section[MASK]) if section.get(MASK) else None,
            tube_volume_margin=_margin(section.get("tube_volume_margin")),
            caution=_text(section.get("caution", ""), "caution"),
        )
        _check_parts(
            model.coarse.network,
            [[one.network for one in member] for member in model.fine],
            model.pvs_threshold,
            [file.network.tells for file in (model.head, model.mask) if file is not None],
        )
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise ModelError(
            f"{where} describes no model that this version can use ({error}); "
            "take the folder from its source again, or upgrade."
        ) from error
    return model


def write_bundle(
    folder: Path,
    *,
    name: str,
    strategy: str,
    coarse: Trained,
    fine: Sequence[Sequence[Trained]],
    pvs_threshold: float,
    card: str,
    facts: Mapping[str, Any],
    head: tuple[Trained, Trained] | None = None,
    tube_volume_margin: float | None = None,
    caution: str = "",
    fill: Callable[[Path], None] | None = None,
) -> Model:
    """Write a model into a folder, whole or not at all; one that is there is replaced.

    Parameters
    ----------
    folder : Path
    name, strategy : str
    coarse : tuple of NetworkConfig and state dict
    fine : sequence of sequences of such tuples
        Members of the ensemble.
    pvs_threshold : float
    card : str
        Text of the model card, Markdown.
    facts : mapping
        Fields of MONAI's metadata, over those filled in here: version, changelog, description,
        data_source, intended_use, eval_metrics, ...
    head : pair of such tuples, optional
        For whole heads: what finds the brain, and what sees more precisely what is brain.
    tube_volume_margin : float, optional
    caution : str
        See `Model`.
    fill : callable, optional
        Writes what else belongs into the folder that it is given.

    Raises
    ------
    ModelError
        If the folder holds something else, or cannot be written to.
    ValueError
        If the networks do not make a model.
    """
    from bgpvs_wf.imaging.atomic_folders import atomic_folder
    from bgpvs_wf.imaging.files import write_bytes, write_json, write_text
    from bgpvs_wf.learning.models.weight_files import pack

    folder = Path(folder)
    _check_parts(
        coarse[0],
        [[network for network, _ in m] for m in fine],
        pvs_threshold,
        [network.tells for network, _ in head or ()],
    )
    if folder.exists() and not (folder / _METADATA).is_file():
        raise ModelError(f"{folder} is there and no model; choose another folder.")
    with atomic_folder(folder, ModelError) as work:

        def save(part: str, trained: Trained) -> dict[str, Any]:
            content = pack(trained[1])
            write_bytes(content, work / "models" / f"{part}.pt")
            return {
                "file": f"models/{part}.pt",
                "sha256": hashlib.sha256(content).hexdigest(),
                **dataclasses.asdict(trained[0]),
            }

        section = {
            "name": name,
            "strategy": strategy,
            "pvs_threshold": float(pvs_threshold),
            "tube_volume_margin": tube_volume_margin,
            "caution": caution,
            **{one[0].tells: save(one[0].tells, one) for one in head or ()},
            "coarse": save("coarse", coarse),
            "fine": [
                [save(part, one) for part, one in zip(part_names(i), member, strict=False)]
                for i, member in enumerate(fine)
            ],
        }
        parts = {network.tells: network for network, _ in head or ()}
        parts["coarse"] = coarse[0]
        for i, member in enumerate(fine):
            told = (network for network, _ in member)
            parts |= dict(zip(part_names(i), told, strict=False))
        described = {**metadata(parts), **facts, _SECTION: section}
        write_json(described, work / _METADATA)
        write_json(inference_config(parts), work / "configs" / "inference.json")
        write_text(card.rstrip() + "\n", work / "docs" / "README.md")
        write_text(f"{described['copyright']}\n\n{LICENSE}", work / "LICENSE")
        if fill is not None:
            fill(work)
    return read_bundle(folder)


def head_model(name_or_path: str = "") -> Model:
    """Return a model as `find_model` does, or that in the box if it knows no whole heads.

    Raises
    ------
    ModelError
        If neither does.
    """
    for name in (name_or_path, ""):
        model = find_model(name)
        if model.head is not None:
            return model
    raise ModelError(
        f"The model {model.folder} has no network for whole heads; install bgpvs-wf again."
    )


def load_network(model: Model, file: NetworkFile, device: torch.device | str) -> nn.Module:
    """Return a network of a model with its weights, after a check of their checksum.

    Raises
    ------
    ModelError
        If the weights are missing, damaged, or not those that the metadata name.
    """
    from bgpvs_wf.learning.models.weight_files import unpack
    from bgpvs_wf.learning.nets.architectures import build_network

    content = _checked(model, file)
    network = build_network(file.network)
    try:
        weights = unpack(content)
        network.load_state_dict(weights)
    except Exception as error:
        raise ModelError(
            f"The weights {model.folder / file.file} do not fit the network that the metadata "
            f"describe; {_advice(model)}."
        ) from error
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise ModelError(
            f"The weights in {model.folder / file.file} give no numbers: some are NaN or infinite; "
            "use another model, or train this one again."
        )
    return network.to(device).eval()


def load_trained(folder: str | Path, part: str) -> Trained:
    """Return a network of a model and its weights.

    Parameters
    ----------
    folder : path
        Of the model.
    part : str
        `head`, `mask` or `coarse`: the field of `Model`.
    """
    model = read_bundle(folder)
    file = getattr(model, part)
    return file.network, load_network(model, file, "cpu").state_dict()


def check_weights(model: Model) -> None:
    """Make sure that all weights are there, and those that the metadata name.

    Raises
    ------
    ModelError
    """
    for file in model.files:
        _checked(model, file)


def _checked(model: Model, file: NetworkFile) -> bytes:
    """Return the content of a file of weights."""
    path = model.folder / file.file
    try:
        content = read_bytes(path)
    except OSError as error:
        raise ModelError(
            f"Cannot read the weights {path}: {why_not(error, path)}; {_advice(model)}."
        ) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise ModelError(f"The weights {path} are damaged or were changed; {_advice(model)}.")
    return content


def _advice(model: Model) -> str:
    return f"take the model {model.folder} from its source again"


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, no text")
    return value


def _margin(value: Any) -> float | None:
    return None if value is None else float(check_number(value, "tube_volume_margin", at_least=0.0))


def _network_file(entry: Mapping[str, Any]) -> NetworkFile:
    filters = tuple(check_number(n, "filters", whole=True, at_least=1) for n in entry["filters"])
    if not filters:
        raise ValueError("filters is empty")
    file = str(entry["file"])
    parts = Path(file).parts
    if not parts or ".." in parts or Path(file).is_absolute():
        raise ValueError(f"file is {file!r}, no name inside of the model")
    network = NetworkConfig(tells=str(entry["tells"]), filters=filters)
    return NetworkFile(file=file, sha256=str(entry["sha256"]), network=network)


def _check_parts(
    coarse: NetworkConfig,
    fine: Sequence[Sequence[NetworkConfig]],
    threshold: float,
    head: Sequence[str],
) -> None:
    if not 0 < threshold < 1:
        raise ValueError(f"the threshold is {threshold:g}, not between 0 and 1")
    if head and list(head) != [HEAD, MASK]:
        raise ValueError(f"its networks for whole heads tell {' and '.join(head)}, not both")
    if coarse.tells != COARSE or not fine:
        raise ValueError("a model needs a coarse network and a fine one")
    for member in fine:
        told = [network.tells for network in member]
        if told not in ([ANATOMY, PVS], [JOINT]):
            raise ValueError(f"a member's networks tell {' and '.join(told)}, not anatomy and pvs")
