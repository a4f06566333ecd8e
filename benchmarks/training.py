"""A training step against its bare backbone: CPU time and memory of head and losses, in one run on one core.

Step: forward, losses and backward of a batch of 64 images (HRNet: 8) with K = 8 parts and 702 identities (those of
Occluded-Duke), from scratch, without loading and without the optimiser. Bare backbone: forward and backward of the same
network alone, whose gradient is ones; HRNet's branches are raised to stride 4 and joined to the 1,920-channel map, as a
head of the usual kind reads them. Usual formulation: that map, a part classifier on it, and parts pooled by a masked
product of N x K x C x H x W, as the authors' released code does it, with the same losses; that loss and gradients agree
with ours is checked here, too. Memory is the most that a process of its own holds in a step above what it held before.

    python benchmarks/training.py

CPU seconds, the least of several turns; ratios travel between machines, seconds do not. Fails if a limit is passed.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor, nn

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.processor import compute_on, has_bfloat16  # noqa: E402
from benchmarks.report import Row, missed, write_report  # noqa: E402
from reid.checkpoints.store import new_model  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Model  # noqa: E402
from reid.losses.gilt import objective  # noqa: E402
from reid.model.appearance import AppearanceMap  # noqa: E402
from reid.model.bpbreid import BPBReID  # noqa: E402

PARTS, IDENTITIES = 8, 702
IMAGES = {"resnet50": 64, "hrnet": 8, "hrnet_official": 8}
OVER_BACKBONE = {"resnet50": 1.01, "hrnet": 1.0, "hrnet_official": 1.0}  # limits
MEMORY = 0.4  # of the usual formulation's
BOUND = {"most": "most", "least": "target"}
FASTER = 2.7  # bfloat16 and channels last over float32 as torch lays it out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=7, help="of each way, one after the other")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/training.json")
    parser.add_argument("--memory", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    compute_on(1)
    if arguments.memory:
        print(memory(*arguments.memory))
        return
    rows = [*speed("resnet50", arguments.turns), *half("resnet50", arguments.turns)]
    for name in ("hrnet", "hrnet_official"):
        rows += speed(name, arguments.turns)
        held = {way: memory_of_a_process(name, way) for way in ("usual", "ours")}
        rows.append((f"{name}, MiB a step over the usual", held["usual"], held["ours"], MEMORY, "most"))
    table = [row(*one) for one in rows]
    write_report(arguments.report, table)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))
    passed = missed(table)
    sys.exit(f"limit passed: {'; '.join(passed)}" if passed else 0)


def row(what: str, theirs: float, ours: float, limit: float, kind: str) -> Row:
    """Ours over theirs, of which `limit` is the most, or how many times as fast as theirs, of which it is the least."""
    ratio = ours / theirs if kind == "most" else theirs / ours
    return {"what": what, "theirs": theirs, "ours": ours, "ratio": ratio} | ({BOUND[kind]: limit} if limit else {})


def settings_of(name: str) -> Model:
    """The model entry, from scratch."""
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    entry = config.model(name)
    return entry.model_copy(update={"backbone": entry.backbone.model_copy(update={"weights": None})})


class Usual(BPBReID):
    """The same network with the map of all channels built and parts pooled by a masked product."""

    def _heads(self, features: AppearanceMap, confidences: Tensor | None):
        return super()._heads(WholeMap(features), confidences)


class WholeMap(AppearanceMap):
    """The appearance map in one piece, pooled by products with every mask."""

    def __init__(self, features: AppearanceMap) -> None:
        super().__init__([joined(features)])

    def product(self, matrix: Tensor, shift: Tensor | None = None) -> Tensor:
        return nn.functional.conv2d(self.levels[0], matrix[:, :, None, None], shift)

    def weighted_sum(self, maps: Tensor) -> Tensor:
        return (maps[:, :, None] * self.levels[0][:, None]).sum(dim=(3, 4))


def joined(features: AppearanceMap) -> Tensor:
    """The map of all channels [N, C, h, w]."""
    first, *others = features.levels
    raised = [nn.functional.interpolate(one, features.grid, mode="bilinear", align_corners=True) for one in others]
    return torch.cat([first, *raised], 1) if others else first


class Step:
    """A batch and a network of `way`: ours, usual or bare."""

    def __init__(self, name: str, way: str) -> None:
        self.settings, self.way, images = settings_of(name), way, IMAGES[name]
        torch.manual_seed(0)
        self.network = new_model(self.settings, PARTS, IDENTITIES).to(memory_format=torch.channels_last).train()
        if way == "usual":
            self.network.__class__ = Usual
        self.images = torch.rand(images, 3, *self.settings.size).contiguous(memory_format=torch.channels_last)
        self.identities = torch.arange(images) // 4
        stride = self.network.backbone.stride
        cells = [length // stride for length in self.settings.size]
        self.labels = torch.randint(0, PARTS + 1, (images, *cells), generator=torch.Generator().manual_seed(1))

    def __call__(self) -> Tensor:
        """The loss, once the gradients are there; the sum of the map, of the bare backbone."""
        self.network.zero_grad()
        loss = joined(self.network.backbone(self.images)).sum() if self.way == "bare" else self._loss()
        loss.backward()
        return loss.detach()

    def _loss(self) -> Tensor:
        output = self.network(self.images)
        labels = self.labels if self.settings.loss.attention_weight else None
        terms = objective(
            output.embeddings, output.identity_scores, output.attention_scores, labels, self.identities,
            self.settings.loss,
        )  # fmt: skip
        return terms["loss"]


def speed(name: str, turns: int) -> list[tuple]:
    """Seconds of a step over its bare backbone's and over the usual formulation's."""
    steps = {way: Step(name, way) for way in ("usual", "bare", "ours")}
    must_agree(steps["usual"], steps["ours"])
    seconds = in_turns(list(steps.values()), turns)
    usual, bare, ours = seconds
    return [
        (f"{name}, s a step over the bare backbone", bare, ours, OVER_BACKBONE[name], "most"),
        (f"{name}, s a step over the usual formulation", usual, ours, 0, "most"),
    ]


def must_agree(usual: Step, ours: Step) -> None:
    """Raises AssertionError unless loss and gradients are the same."""
    losses = [step().item() for step in (usual, ours)]
    assert abs(losses[0] - losses[1]) <= 1e-6 * abs(losses[0]) + 1e-6, losses
    first, second = (gradient_of_head(step.network) for step in (usual, ours))
    assert (first - second).norm() <= 1e-5 * first.norm(), ((first - second).norm() / first.norm()).item()


def gradient_of_head(network: BPBReID) -> Tensor:
    named = [(name, one.grad) for name, one in network.named_parameters() if one.grad is not None]
    return torch.cat([gradient.flatten() for name, gradient in named if not name.startswith("backbone")])


def half(name: str, turns: int) -> list[tuple]:
    """Seconds of a step in bfloat16, channels last, over one in float32 in torch's usual layout."""
    plain, fast = Step(name, "ours"), Step(name, "ours")
    plain.network.to(memory_format=torch.contiguous_format)
    plain.images = plain.images.contiguous()

    def in_bfloat16() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return fast()

    seconds = in_turns([plain, in_bfloat16], turns)
    return [(f"{name}, s a step in bfloat16, channels last", *seconds, FASTER * has_bfloat16(), "least")]


def in_turns(ways: list[Callable[[], object]], turns: int) -> list[float]:
    """CPU seconds of each way: the least of its turns, since what else runs here only adds."""
    spent = [[] for _ in ways]
    for turn in range(-1, turns):  # the first warms up
        for times, way in zip(spent, ways, strict=True):
            begun = time.process_time()
            way()
            times.extend([time.process_time() - begun] * (turn >= 0))
    return [min(times) for times in spent]


def memory_of_a_process(name: str, way: str) -> float:
    """MiB that a process of its own holds at most in a step, above what it held before."""
    command = [sys.executable, __file__, "--memory", name, way]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory(name: str, way: str) -> float:
    step = Step(name, way)
    before = peak()
    step()
    return peak() - before


def peak() -> float:
    """MiB that this process held at most; `getrusage` would include its parent's."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
