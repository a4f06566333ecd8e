"""A model pack: a folder with `model.safetensors`, `config.json` and a model card, all that using a model needs.

Only safetensors and JSON are read, so that a pack from a stranger runs no code.
"""

import json
import re
from pathlib import Path

from huggingface_hub import snapshot_download
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from artefacts.errors import UserError, first_problem
from artefacts.files import replacing, write_text
from reid.checkpoints.backbones import backbone_of
from reid.checkpoints.pack_format import FORMAT, Pack, Preprocessing
from reid.checkpoints.store import TrainedModel
from reid.config.report import Matching
from reid.config.root import ModelInUse
from reid.model.bpbreid import BPBReID

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
ON_THE_HUB = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")  # owner/name


def pack_of(model: TrainedModel, settings: ModelInUse, matching: Matching, **described: object) -> Pack:
    """The configuration of a pack: a trained model, how it is used, and what else `Pack` wants (`described`).

    Raises UserError for a model whose attention are labels, which a pack cannot make.
    """
    content = {
        "preprocessing": Preprocessing(size=settings.size),
        "backbone": settings.backbone.model_copy(update={"weights": None, "sha256": None}),
        "head": settings.head,
        "parts": model.part_names,
        "use_bnneck_for": settings.use_bnneck_for,
        "visibility": settings.visibility,
        "channels": settings.head.reduction or model.network.backbone.channels,
    }
    try:
        content["matching"] = matching.with_thresholds(model.part_attention)
        return Pack(**content, **described)
    except ValidationError as error:
        raise UserError(f"pack: {first_problem(error)}") from None
    except ValueError as error:
        raise UserError(f"pack: the model {error}; train it again, which measures it") from None


def write_pack(folder: Path, network: BPBReID, pack: Pack, card: str) -> None:
    """Write weights without identity classifiers, configuration and model card into `folder`, each file atomically."""
    weights = {name: tensor.contiguous() for name, tensor in used_weights(network, pack).items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
    write_text(folder / CONFIG, pack.model_dump_json(indent=2) + "\n")
    write_text(folder / CARD, card)


def used_weights(network: BPBReID, pack: Pack) -> dict[str, Tensor]:
    """The weights that embedding uses: no identity classifiers, and of BNNecks only those behind which features are."""
    unused = tuple(f"necks.{name}." for name in network.necks if name not in pack.use_bnneck_for)
    heads = {name for name in network.state_dict() if name.startswith("necks.")}
    left_out = {name for name in heads if name.startswith(unused) or ".classifier." in name}
    return {name: tensor for name, tensor in network.state_dict().items() if name not in left_out}


def read_pack(name: str | Path) -> tuple[BPBReID, Pack]:
    """The network, in eval mode on the CPU, and the configuration of a pack.

    `name` is a pack's folder, one of its files, or `owner/name` of a repository on the Hugging Face hub. Raises
    UserError if there is no such pack, without a network, and for files that are damaged or not a pack's.
    """
    folder = _folder(name)
    pack = read_config(folder / CONFIG)
    backbone = backbone_of(pack.backbone, pack.preprocessing.size)
    network = BPBReID(backbone, len(pack.parts), 0, pack.use_bnneck_for, pack.head)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except FileNotFoundError:
        raise UserError(f"{folder / WEIGHTS}: no such file; copy the whole pack again") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{folder / WEIGHTS}: does not fit {CONFIG} ({reason}); copy the pack again") from None
    return network.eval(), pack


def _folder(name: str | Path) -> Path:
    path = Path(name)
    if path.is_dir():
        return path
    if path.is_file() and path.name in (WEIGHTS, CONFIG, CARD):
        return path.parent
    if not ON_THE_HUB.fullmatch(str(name)):
        raise UserError(f"{name}: no such pack; give its folder, or owner/name of one on the Hugging Face hub")
    try:
        return Path(snapshot_download(str(name), allow_patterns=[WEIGHTS, CONFIG, CARD]))
    except Exception as error:  # of many types: no network, no such repository, no permission
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{name}: no such folder, and the Hugging Face hub does not give it ({reason}); without a network, "
            f"download {WEIGHTS} and {CONFIG} elsewhere and give their folder"
        ) from None


def read_config(path: Path) -> Pack:
    """What a pack's `config.json` says. Raises UserError if there is none, or if it is none of this version."""
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text).get("format")
    except FileNotFoundError:
        made = "`reid pack DATASET MODEL` makes one of a finished run"
        raise UserError(f"{path}: no such file; give the folder of a pack ({made})") from None
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: is not a pack's configuration ({error}); copy the pack again") from None
    if version != FORMAT:
        raise UserError(f"{path}: has format {version}, this version reads {FORMAT}; make the pack again")
    try:
        return Pack.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; make the pack again") from None
