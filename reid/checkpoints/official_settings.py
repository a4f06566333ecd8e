"""The settings of a released checkpoint, compared with those of a model entry."""

import reprlib
from collections.abc import Mapping

from reid.config.root import ModelInUse

BACKBONES = {"resnet50": "resnet50", "hrnet_w32": "hrnet32"}  # timm's name -> the released code's
EMBEDDINGS = {"global": "globl", "foreground": "foreg", "concatenated": "conct", "parts": "parts"}
TRANSFORMS = {"random_crop": "rc", "random_erase": "re", "random_flip": "rf", "color_jitter": "cj"}  # two names each
JITTER = {"probability": "p", "brightness": "brightness", "contrast": "contrast"}
FIXED = {  # what no entry of ours can have in another way
    "model.bpbreid.pooling": "gwap",
    "model.bpbreid.normalization": "identity",
    "model.bpbreid.test_use_target_segmentation": "none",
    "model.bpbreid.masks.type": "disk",  # its PCB has a part classifier, ours has none
    "data.cj.saturation": 0.0,
    "data.cj.hue": 0.0,
}


def differences(theirs: Mapping, model: ModelInUse) -> list[str]:
    """What a released checkpoint was trained or is evaluated with in another way than `model` says.

    One string each, which names their key with both values. Keys that the file does not have are not compared.
    """
    return _unlike(theirs, in_their_words(model))


def unsupported(theirs: Mapping, model: ModelInUse) -> list[str]:
    """As `differences`, but what no entry can be changed to."""
    colours = model.augmentation.jitter is not None
    return _unlike(theirs, {key: ours for key, ours in FIXED.items() if colours or not key.startswith("data.cj.")})


def _unlike(theirs: Mapping, ours: Mapping[str, object]) -> list[str]:
    found = []
    for key, value in ours.items():
        their_value = at(theirs, key)
        if their_value is not None and _plain(their_value) != _plain(value):
            found.append(f"{key} is {reprlib.repr(their_value)}, not {value!r}")
    return found


def in_their_words(model: ModelInUse) -> dict[str, object]:
    """The settings that the configuration of the released code would have for a model of ours, by its keys."""
    head, training, bpbreid = model.head, model.training, "model.bpbreid"
    stride = 1 if model.backbone.last_stride == "auto" else model.backbone.last_stride
    resnet = {f"{bpbreid}.last_stride": stride} if model.backbone.name == "resnet50" else {}
    return {
        "data.height": model.size[0],
        "data.width": model.size[1],
        "data.transforms": _transforms(model),
        f"{bpbreid}.backbone": BACKBONES.get(model.backbone.name, model.backbone.name),
        f"{bpbreid}.learnable_attention_enabled": head.attention == "learned",
        f"{bpbreid}.dim_reduce": "after_pooling" if head.reduction else "none",
        f"{bpbreid}.dim_reduce_output": head.reduction or None,
        f"{bpbreid}.test_embeddings": [_compared(name, model) for name in ("foreground", "parts")],
        f"{bpbreid}.testing_binary_visibility_score": model.visibility.rule == "argmax",
        "train.max_epoch": training.epochs,
        "train.lr": training.learning_rate,
        "train.weight_decay": training.weight_decay,
        "train.stepsize": training.milestones,
        "train.gamma": training.gamma,
        "train.batch_size": training.ids_per_batch * training.images_per_id,
        "sampler.num_instances": training.images_per_id,
        **resnet,
        **_jitter(model),
        **_losses(model),
    }


def _losses(model: ModelInUse) -> dict[str, object]:
    loss, weights = model.loss, "loss.part_based.weights"
    triplets = {name: loss.triplet_weights.get(name, 1.0) for name in loss.triplet}
    return {
        "loss.triplet.margin": loss.margin,
        f"{weights}.pixls.ce": loss.attention_weight,
        **{f"{weights}.{theirs}.id": float(ours in loss.identity) for ours, theirs in EMBEDDINGS.items()},
        **{f"{weights}.{theirs}.tr": triplets.get(ours, 0.0) for ours, theirs in EMBEDDINGS.items()},
    }


def _transforms(model: ModelInUse) -> list[str]:
    ours = model.augmentation
    done = {"rc": ours.padding, "re": ours.erasing, "rf": ours.flip, "cj": ours.jitter and ours.jitter.probability}
    return [name for name, strength in done.items() if strength]


def _jitter(model: ModelInUse) -> dict[str, float]:
    jitter = model.augmentation.jitter
    return {f"data.cj.{theirs}": getattr(jitter, ours) for ours, theirs in JITTER.items()} if jitter else {}


def _compared(name: str, model: ModelInUse) -> str:
    return f"bn_{EMBEDDINGS[name]}" if name in model.use_bnneck_for else EMBEDDINGS[name]


def at(settings: Mapping, key: str) -> object:
    """The value of a dotted key, None where it is not there or leads through something else than settings."""
    value: object = settings
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _plain(value: object) -> object:
    """Lists without their order, and each augmentation under one of its names."""
    if isinstance(value, list | tuple):
        return sorted((TRANSFORMS.get(str(item).lower(), item) for item in value), key=repr)
    return value
