"""timm's feature extractors: created for the size of the images, and tried once before anything is trained on them."""

import difflib

import timm
import torch
from torch import Tensor, nn

from artefacts.errors import UserError

Size = tuple[int, int]  # height, width in pixels
Grid = tuple[int, int]  # h, w in cells


def create_extractor(name: str, levels: tuple[int, ...], pretrained: bool, size: Size) -> nn.Module:
    """timm's network `name` as feature extractor of `levels`, for images of `size`.

    Raises UserError where timm has no such network, the network no such levels, or its weights cannot be had.
    """
    if ":" not in name and not timm.is_model(name.partition(".")[0]):
        near = ", ".join(difflib.get_close_matches(name, timm.list_models(), 3)) or "none"
        raise UserError(f"models.*.backbone.name: timm has no network {name!r} (like it: {near}); name one that it has")
    try:
        return _create(name, levels, pretrained, size)
    except Exception as error:  # of many types: every network has conditions of its own
        raise _explained(error, name, levels, pretrained, size) from None


def _create(name: str, levels: tuple[int, ...], pretrained: bool, size: Size) -> nn.Module:
    fixed = getattr(_published(name), "fixed_input_size", False)  # by position embeddings and the like
    sized = {"img_size": size} if fixed else {}
    return timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=levels, **sized)


def _published(name: str) -> object:
    """What timm says of a network's weights; None of one that it has none for."""
    return timm.get_pretrained_cfg(name, allow_unregistered=True)


def _explained(error: Exception, name: str, levels: tuple[int, ...], pretrained: bool, size: Size) -> UserError:
    """Why an extractor cannot be created: its images' size, its levels, or else its weights."""
    try:
        count = len(_create(name, (-1,), False, size).feature_info)
    except Exception as refusal:  # as above
        return _size_error(name, size, refusal)
    absent = [level for level in levels if level >= count]
    if absent:
        return UserError(f"models.*.backbone.levels: timm's {name} has levels 0 to {count - 1}, none {absent[0]}")
    weights = "imagenet" if pretrained else "null"
    return UserError(
        f"models.*.backbone: cannot build {name} with weights {weights}: {_first_line(error)}. Without a network, "
        "set weights to the path of a file of weights, or to null to train from scratch"
    )


def _size_error(name: str, size: Size, error: Exception) -> UserError:
    own = tuple(getattr(_published(name), "input_size", ()))[1:]
    advice = f"set it to {list(own)}, timm's own" if own not in ((), tuple(size)) else "change it"
    given = f"timm's {name} takes no images of {size[0]}x{size[1]} ({_first_line(error)})"
    return UserError(f"models.*.size: {given}; {advice}, or name another network")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def extractor_names(name: str) -> tuple[str, ...]:
    """What a module or parameter that timm calls `name` may be called in its feature extractors."""
    return name, name.replace(".", "_", 1), f"model.{name}", f"body.{name}"


def parameter_names(name: str) -> set[str]:
    """Names of all parameters and buffers that timm's whole network `name` keeps, its classifier among them."""
    with torch.device("meta"):
        return set(timm.create_model(name).state_dict())


def submodule_of(network: nn.Module, name: str) -> nn.Module | None:
    """The module of an extractor that timm calls `name`; None where there is none."""
    modules = dict(network.named_modules())
    return next((modules[one] for one in extractor_names(name) if one in modules), None)


def channels_first(network: nn.Module, levels: list[Tensor]) -> list[Tensor]:
    """The levels of an extractor as [N, C_b, h_b, w_b]; Swin and its kind give the channels last."""
    last = getattr(network, "output_fmt", None) == "NHWC"
    return [level.permute(0, 3, 1, 2) for level in levels] if last else levels


def grids_of(name: str, network: nn.Module, size: Size) -> list[Grid]:
    """The grids of the levels that an extractor gives for images of `size`, by one black image; it keeps its mode.

    Raises UserError if it takes no such images, or gives anything but the feature maps that timm says it gives.
    """
    training, image = network.training, torch.zeros(1, 3, *size, device=next(network.parameters()).device)
    try:
        with torch.no_grad():  # not inference_mode: what a network caches must be fit for training
            levels = channels_first(network, network.eval()(image))
    except Exception as error:  # of many types, as above
        raise _size_error(name, size, error) from None
    finally:
        network.train(training)
    if [level.shape[1:-2] for level in levels] != [(channels,) for channels in network.feature_info.channels()]:
        raise UserError(f"models.*.backbone.name: timm's {name} gives no feature maps; name another network")
    return [tuple(level.shape[-2:]) for level in levels]
