"""The appearance map G (Section 3.1), held as the levels that it is made of and never built."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


class AppearanceMap:
    """G [N, C, h, w]: the levels [N, C_b, h_b, w_b] of a network, finest first, the coarser raised to the finest.

    Levels are raised by bilinear interpolation, corner on corner, and concatenated: HRNet's branches become 1,920
    channels, most of them copies. What is asked of G commutes with the interpolation U_b, so that a few maps move
    between resolutions in place of all channels: P (U_b F_b) = U_b (P F_b), and <m, U_b F_b> = <U_b' m, F_b>.
    Cheapest with levels that are channels last in memory. One level is G itself.
    """

    def __init__(self, levels: Sequence[Float[Tensor, "N C_b h_b w_b"]]) -> None:
        self.levels = tuple(levels)
        self.grid: tuple[int, int] = tuple(self.levels[0].shape[-2:])
        self.device = self.levels[0].device

    def __len__(self) -> int:
        """N, the images of the batch."""
        return len(self.levels[0])

    @property
    def cells(self) -> int:
        """N h w, the cells of the batch."""
        return len(self) * self.grid[0] * self.grid[1]

    def float(self) -> "AppearanceMap":
        """The same in single precision, whatever the levels were computed in."""
        return AppearanceMap([level.float() for level in self.levels])

    def product(
        self, matrix: Float[Tensor, "M C"], shift: Float[Tensor, " M"] | None = None
    ) -> Float[Tensor, "N M h w"]:
        """At every cell, the product of `matrix` with the C features there, plus `shift`."""
        slices = matrix.split([level.shape[1] for level in self.levels], dim=1)
        pairs = zip(self.levels, slices, strict=True)
        products, self.levels = zip(*(_Product.apply(level, part) for level, part in pairs), strict=True)
        first, *others = map(self._upsample, products)
        whole = sum(others, first)
        return whole if shift is None else whole + shift[:, None, None]

    def weighted_sum(self, maps: Float[Tensor, "N M h w"]) -> Float[Tensor, "N M C"]:
        """For each map, the sum over all cells of weight x features."""
        sums = [
            torch.bmm(self._upsample_adjoint(maps, level).flatten(2), level.flatten(2).transpose(1, 2))
            for level in self.levels
        ]
        return torch.cat(sums, dim=2)

    def moments(self) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
        """Mean and (biased) variance of every channel over the batch and all cells, as batch normalisation has them."""
        sums, squares = zip(*(self._sums(level) for level in self.levels), strict=True)
        mean = torch.cat(sums) / self.cells
        return mean, (torch.cat(squares) / self.cells - mean.square()).clamp_min(0)

    def _sums(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """Sum and sum of squares of each channel of a level, once raised."""
        cells = level.permute(0, 2, 3, 1)
        if level.shape[-2:] == self.grid:
            return _Sums.apply(cells, cells.new_ones(1, 1), cells.detach())
        rows, columns = self._interpolations(level)
        with torch.no_grad():
            lines = (columns.T @ columns) @ cells
            smoothed = ((rows.T @ rows) @ lines.flatten(2)).view_as(lines)
        return _Sums.apply(cells, rows.sum(dim=0)[:, None] * columns.sum(dim=0), smoothed)

    def _upsample(self, maps: Float[Tensor, "N M h_b w_b"]) -> Float[Tensor, "N M h w"]:
        if maps.shape[-2:] == self.grid:
            return maps
        rows, columns = self._interpolations(maps)
        return rows @ maps @ columns.T

    def _upsample_adjoint(self, maps: Float[Tensor, "N M h w"], level: Tensor) -> Float[Tensor, "N M h_b w_b"]:
        """Weights on the cells of a level that weigh it as `maps` weigh the raised one."""
        if level.shape[-2:] == self.grid:
            return maps
        rows, columns = self._interpolations(level)
        return rows.T @ maps @ columns

    def _interpolations(self, level: Tensor) -> tuple[Float[Tensor, "h h_b"], Float[Tensor, "w w_b"]]:
        """The matrices that raise a level along its rows and along its columns; each of their lines sums to one."""
        return tuple(
            functional.interpolate(
                torch.eye(cells, dtype=level.dtype, device=level.device)[:, None],
                raised, mode="linear", align_corners=True,
            )[:, 0].T
            for cells, raised in zip(level.shape[-2:], self.grid, strict=True)
        )  # fmt: skip


class _Product(torch.autograd.Function):
    """At every cell of a level, a matrix [M, C_b] times its features; and the level, for whoever reads it next.

    The gradient of what reads the level next comes back through here and is added to in one pass: by themselves, two
    gradients as large as the level would be written, read again and added.
    """

    @staticmethod
    def forward(ctx, level: Tensor, matrix: Tensor) -> tuple[Float[Tensor, "N M h_b w_b"], Tensor]:
        ctx.save_for_backward(level, matrix)
        product = torch.bmm(matrix.expand(level.shape[0], -1, -1), level.flatten(2))
        return product.unflatten(2, level.shape[2:]), level

    @staticmethod
    @once_differentiable
    def backward(ctx, of_product: Float[Tensor, "N M h_b w_b"], of_level: Tensor) -> tuple[Tensor, Tensor]:
        level, matrix = ctx.saved_tensors
        cells, of_cells = (maps.flatten(2).transpose(1, 2) for maps in (level, of_level))
        weights = of_product.flatten(2).transpose(1, 2)
        of_matrix = weights.flatten(0, 1).T @ cells.flatten(0, 1)
        of_cells = torch.baddbmm(of_cells, weights, matrix.expand(len(level), -1, -1))
        return of_cells.transpose(1, 2).unflatten(2, level.shape[2:]), of_matrix


class _Sums(torch.autograd.Function):
    """Sum and sum of squares of each channel of a raised level: <m, F> and <F, S F>.

    `cells` F are N h_b w_b C_b, which is how the level lies in memory; `mass` [h_b, w_b], or 1, is what each cell
    counts, and `smoothed` S F, with the Gram matrices S of the interpolation, or F. The gradient m a + 2 b S F is
    written at once, since it is as large as the level.
    """

    @staticmethod
    def forward(
        ctx, cells: Tensor, mass: Tensor, smoothed: Tensor
    ) -> tuple[Float[Tensor, " C_b"], Float[Tensor, " C_b"]]:
        ctx.save_for_backward(mass, smoothed)
        sums = (cells.sum(dim=0) * mass[:, :, None]).sum(dim=(0, 1))
        return sums, (cells * smoothed).sum(dim=(0, 1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx, of_sums: Float[Tensor, " C_b"], of_squares: Float[Tensor, " C_b"]) -> tuple[Tensor, None, None]:
        mass, smoothed = ctx.saved_tensors
        return torch.addcmul(mass[:, :, None] * of_sums, smoothed, 2 * of_squares), None, None
