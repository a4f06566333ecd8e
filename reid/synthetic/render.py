"""A z-buffer for capsules and flat masks: what a camera sees, who owns each pixel, and which part it shows."""

from dataclasses import dataclass

import numpy as np

from reid.synthetic.people import COCO_KEYPOINTS, Capsules, Cloth

OBJECT = 255  # owner of pixels that an occluding object covers
HIDDEN_BEHIND = 0.16  # metres of body that may lie in front of a joint that is still seen


@dataclass(frozen=True)
class View:
    """Where a person stands before the camera: weak perspective, image x to the right and y down.

    `scale` pixels a metre, `foot` (x, y) pixel of the body's origin, `yaw` of the body and `pitch` of the camera in
    radians, `depth` metres towards the camera, `light` unit vector.
    """

    scale: float
    foot: tuple[float, float]
    yaw: float
    pitch: float
    depth: float
    light: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Body points [..., 3] in metres -> [..., 3]: image x, image y (pixels), nearness to the camera (metres)."""
        x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
        turned_x = x * np.cos(self.yaw) + z * np.sin(self.yaw)
        turned_z = -x * np.sin(self.yaw) + z * np.cos(self.yaw)
        up = y * np.cos(self.pitch) - turned_z * np.sin(self.pitch)
        near = y * np.sin(self.pitch) + turned_z * np.cos(self.pitch) + self.depth
        return np.stack([self.foot[0] + self.scale * turned_x, self.foot[1] - self.scale * up, near], -1)


class Canvas:
    """An image being drawn: `colour` [H, W, 3] 0..255, `near` [H, W], `part` [H, W], `owner` [H, W] (0 = scene)."""

    def __init__(self, background: np.ndarray) -> None:
        self.colour = background.astype(np.float32)
        height, width = background.shape[:2]
        self.near = np.full((height, width), -np.inf, np.float32)
        self.part = np.zeros((height, width), np.uint8)
        self.owner = np.zeros((height, width), np.uint8)

    def draw_person(self, capsules: Capsules, view: View, owner: int) -> None:
        """Draw all limbs; nearer surfaces hide farther ones, also those of people drawn before."""
        ends = view.project(capsules.ends).astype(np.float32)
        radii = capsules.radii.astype(np.float32)
        for (start, end), radius, part, cloth in zip(ends, radii, capsules.parts, capsules.cloths, strict=True):
            self._draw_capsule(start, end, radius, part, cloth, view, owner)

    def _draw_capsule(self, start, end, radius, part: int, cloth: Cloth, view: View, owner: int) -> None:
        pixels = radius * view.scale
        height, width = self.near.shape
        left, top = np.floor(np.minimum(start[:2] - pixels[0], end[:2] - pixels[1])).astype(int)
        right, bottom = np.ceil(np.maximum(start[:2] + pixels[0], end[:2] + pixels[1])).astype(int) + 1
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            return
        x = np.arange(left, right, dtype=np.float32)[None] - start[0]
        y = np.arange(top, bottom, dtype=np.float32)[:, None] - start[1]
        axis = end[:2] - start[:2]
        length = float(np.hypot(*axis)) + 1e-6
        unit = axis / length
        along = np.clip((x * unit[0] + y * unit[1]) / length, 0, 1)
        off_x, off_y = x - along * axis[0], y - along * axis[1]
        reach = pixels[0] + along * (pixels[1] - pixels[0])
        inside_fraction = (off_x**2 + off_y**2) / reach**2
        bulge = np.sqrt(np.maximum(0, 1 - inside_fraction))
        near = start[2] + along * (end[2] - start[2]) + bulge * reach / view.scale
        window = (slice(top, bottom), slice(left, right))
        drawn = (inside_fraction <= 1) & (near > self.near[window])
        across = (off_x * -unit[1] + off_y * unit[0]) / reach
        facing = (off_x * view.light[0] + off_y * view.light[1]) / reach + bulge * view.light[2]
        shade = (0.62 + 0.42 * np.maximum(facing, 0))[drawn][:, None]
        self.colour[window][drawn] = _pattern(cloth, along[drawn], across[drawn]) * shade
        self.near[window][drawn] = near[drawn]
        self.part[window][drawn] = part
        self.owner[window][drawn] = owner

    def draw_object(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Put a flat object in front of everything: `mask` [H, W] bool, `colour` [H, W, 3] 0..255."""
        self.colour[mask] = colour[mask]
        self.near[mask], self.part[mask], self.owner[mask] = np.inf, 0, OBJECT

    def keypoints(self, joints: dict[str, np.ndarray], view: View, owner: int) -> np.ndarray:
        """COCO keypoints [17, 3] of one person: x, y in pixels and 2 = seen, 1 = hidden, 0 = outside the image."""
        points = view.project(np.stack([joints[name] for name in COCO_KEYPOINTS]))
        height, width = self.near.shape
        columns, rows = np.round(points[:, 0]).astype(int), np.round(points[:, 1]).astype(int)
        within = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        columns, rows = columns.clip(0, width - 1), rows.clip(0, height - 1)
        seen = (self.owner[rows, columns] == owner) & (self.near[rows, columns] - points[:, 2] < HIDDEN_BEHIND)
        visibility = np.where(within, np.where(seen, 2, 1), 0)
        return np.concatenate([points[:, :2], visibility[:, None]], 1).astype(np.float32)


def _pattern(cloth: Cloth, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Colours [M, 3] at surface coordinates `along` 0..1 and `across` -1..1 of a limb."""
    bands = (along / cloth.period).astype(int) % 2
    stripes = np.floor((across + 1) / (2 * cloth.period)).astype(int) % 2
    second = {
        "plain": np.zeros_like(bands),
        "bands": bands,
        "stripes": stripes,
        "halves": (along < 0.5).astype(int),
        "checks": bands ^ stripes,
    }[cloth.pattern]
    return cloth.colours[second]
