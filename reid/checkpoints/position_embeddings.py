"""What a transformer knows of positions, from the size of the images of its weights to that of ours."""

import math

from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

KNOWN_SIZES = ((256, 128), (384, 128))  # height and width in pixels of images that person networks are trained on
BIAS_TABLE = "relative_position_bias_table"


def with_positions_of(network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights, under the names of `network`, with position embeddings and tables of position bias of its sizes.

    Raises ValueError if the grid that embeddings are of cannot be told.
    """
    owners = {name: _owner(network, name) for name in weights.keys() & network.state_dict().keys()}
    wanted = network.state_dict()
    resized = {}
    for name, owner in owners.items():
        if name.endswith(BIAS_TABLE) and weights[name].shape != wanted[name].shape:
            resized[name] = _cut(weights[name], owner.window_size)
        elif name.rpartition(".")[2] == "pos_embed" and weights[name].ndim == wanted[name].ndim == 3:
            resized[name] = _resized(weights[name], wanted[name], getattr(owner, "patch_embed", None))
    return weights | resized


def _owner(network: nn.Module, name: str) -> nn.Module:
    return network.get_submodule(name.rpartition(".")[0])


def _resized(embeddings: Tensor, wanted: Tensor, patches: nn.Module | None) -> Tensor:
    """[1, prefix + n, C] brought to `wanted`'s grid as timm does; the first, of tokens that are no patches, stay."""
    grid = getattr(patches, "grid_size", None)
    if grid is None or embeddings.shape[-1] != wanted.shape[-1]:
        return embeddings
    prefix = wanted.shape[1] - math.prod(grid)
    given = _grid_of(embeddings.shape[1] - prefix, patches)
    return resample_abs_pos_embed(embeddings, list(grid), list(given), prefix)


def _grid_of(cells: int, patches: nn.Module) -> tuple[int, int]:
    """Rows and columns of so many patches: square as ImageNet's, like ours, or of a known size of images of people."""
    side = math.isqrt(max(cells, 0))
    if side and side**2 == cells:
        return side, side
    if cells == math.prod(patches.grid_size):
        return tuple(patches.grid_size)
    patch = patches.patch_size[0]
    for stride in range(patch, patch // 2 - 1, -1):  # overlapping where less than a patch
        for size in (patches.img_size, *KNOWN_SIZES):
            rows, columns = ((pixels - patch) // stride + 1 for pixels in size)
            if rows * columns == cells:
                return rows, columns
    raise ValueError(f"position embeddings of {cells} patches: neither square nor of images of {_listed(KNOWN_SIZES)}")


def _listed(sizes: tuple[tuple[int, int], ...]) -> str:
    return " or ".join(f"{height}x{width}" for height, width in sizes)


def _cut(table: Tensor, window: tuple[int, int]) -> Tensor:
    """The biases of the offsets that a smaller window has: [(2 w - 1)^2, heads] to [(2 h' - 1) (2 w' - 1), heads].

    timm's windows are no larger than the map. Each offset keeps the bias that it was trained with.
    """
    side = math.isqrt(len(table))
    margins = [(side - (2 * cells - 1)) // 2 for cells in window]
    if side**2 != len(table) or min(margins) < 0:
        return table
    square = table.reshape(side, side, -1)
    rows, columns = (slice(margin, side - margin) for margin in margins)
    return square[rows, columns].reshape(-1, table.shape[1])
