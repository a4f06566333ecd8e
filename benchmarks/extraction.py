"""From decoded images to the arrays that are compared: ours against the plain eager path, on one core.

Both get the same batch of uint8 images and the same network with random weights and statistics, and give features,
visibility, scores and attention as arrays. The plain path is what evaluation code of the field does, written out here:
images normalised in torch's usual layout, the network in eval mode as it was trained, HRNet's branches raised and
joined to the 1,920-channel map, and parts pooled by a masked product of N x K x C x H x W. Ours is stage embed's. In
float32 both must agree to 1e-4 of the features' length. Each runs in processes of its own: ours keeps freed memory, as
the stage does; in the plain one, large tensors go back to the kernel, which clears them again for every image.

    python benchmarks/extraction.py

CPU time, the least of several turns; ratios travel between machines with like processors, seconds do not. Fails if
a ratio is under its target: 2 times (ResNet-50) and 4 times (HRNet-W32), or nine tenths of what this processor's
float32 products allow, if that is less; they are timed in the same run. After `make demo`, its trained networks embed
its query and gallery in both precisions, and no mAP may move by more than a point, which is what seeds differ by.
"""

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from artefacts.command import run  # noqa: E402
from artefacts.processor import compute_on, has_bfloat16  # noqa: E402
from benchmarks.report import missed, write_report  # noqa: E402
from benchmarks.training import IDENTITIES, PARTS, Usual, in_turns  # noqa: E402
from reid.checkpoints.store import new_model  # noqa: E402
from reid.config.files import CONFIGURATION, read_configuration  # noqa: E402
from reid.config.root import Config, Matching, ModelInUse  # noqa: E402
from reid.data.samples import TestBatch, normalised  # noqa: E402
from reid.embeddings.extract import compared_features, embed  # noqa: E402
from reid.embeddings.inference import make_ready  # noqa: E402
from reid.embeddings.store import Split, reading  # noqa: E402
from reid.evaluation.retrieval import retrieve  # noqa: E402
from reid.model.attention import visible_parts  # noqa: E402
from reid.model.bpbreid import BPBReID  # noqa: E402

FASTER = {"resnet50": 2.0, "hrnet": 4.0}  # targets
REACHED = 0.9  # share of what the processor's arithmetic allows, where that is less
IMAGES = 16  # a batch; the masked product of more HRNet images takes gigabytes
DEVICE = torch.device("cpu")
PRECISIONS, SAME = ("float32", "bfloat16"), 0.01  # mAP
DEMO = PROJECT / "results/synthetic"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="of each way, in each of two processes")
    parser.add_argument("--report", type=Path, default=PROJECT / "benchmarks/results/extraction.json")
    parser.add_argument("--way", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    config = read_configuration([PROJECT / name for name in CONFIGURATION])
    if arguments.way:
        name, way = arguments.way
        print(milliseconds(way, ModelInUse.of(config.model(name)), arguments.turns))
        return
    torch.set_num_threads(1)
    table = [row for name in FASTER for row in measure(name, ModelInUse.of(config.model(name)), arguments.turns)]
    table += demo(config)
    write_report(arguments.report, table)
    print(tabulate(table, headers="keys", tablefmt="github", floatfmt=".3g"))
    under = missed(table)
    sys.exit(f"under target: {'; '.join(under)}" if under else 0)


def measure(name: str, settings: ModelInUse, turns: int) -> list[dict]:
    """Milliseconds an image of both ways, and of ours in bfloat16 where the processor has it."""
    network, batch = pretended(settings), images(settings.size)
    must_agree(*(way(copy.deepcopy(network), settings)(batch) for way in (plain, ours)))
    ways = ["plain", "float32", "products", *(["bfloat16"] if has_bfloat16() else [])]
    found = [[in_a_process(name, way, turns) for way in ways] for _ in range(2)]
    theirs, float32, peak, *bfloat16 = map(min, zip(*found, strict=True))
    least = peak / PRODUCTS * operations(network, settings.size)  # of an image's products at full speed
    target = min(FASTER[name], REACHED * theirs / least)
    rows = [row(f"{name}, float32", theirs, float32, target), row(f"{name}, its products alone", theirs, least, 0)]
    return rows + [row(f"{name}, bfloat16", theirs, half, FASTER[name]) for half in bfloat16]


def in_a_process(name: str, way: str, turns: int) -> float:
    command = [sys.executable, __file__, "--way", name, way, "--turns", str(turns)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def milliseconds(way: str, settings: ModelInUse, turns: int) -> float:
    """Of an image: the least of the turns, in this process."""
    if way == "plain":
        torch.set_num_threads(1)
        embed_batch = plain(pretended(settings), settings)
    else:
        compute_on(1)
        precision = way if way in PRECISIONS else settings.embedding_precision
        embed_batch = ours(pretended(settings), settings.model_copy(update={"embedding_precision": precision}))
    batch = images(settings.size)
    (seconds,) = in_turns([products if way == "products" else lambda: embed_batch(batch)], turns)
    return 1000 * seconds / IMAGES


def row(what: str, theirs: float, ours: float, target: float) -> dict:
    return {"what": f"{what}, ms an image", "theirs": theirs, "ours": ours, "ratio": theirs / ours, "target": target}


def pretended(settings: ModelInUse) -> BPBReID:
    """A network of random weights with the running statistics of what goes through it, so that nothing folds away."""
    torch.manual_seed(0)
    scratch = settings.model_copy(update={"backbone": settings.backbone.model_copy(update={"weights": None})})
    network = new_model(scratch, PARTS, IDENTITIES).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train().momentum = 1.0
    with torch.no_grad():
        network(normalised(images(settings.size, 4).images))
    return network.eval()


def images(size: tuple[int, int], count: int = IMAGES) -> TestBatch:
    numbers = torch.arange(count)
    pixels = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TestBatch(pixels, numbers, numbers, [f"{number}.jpg" for number in range(count)])


def plain(network: BPBReID, settings: ModelInUse, device: torch.device = DEVICE) -> Callable[[TestBatch], Split]:
    """The plain eager path."""
    network.to(device).__class__ = Usual

    @torch.no_grad()
    def embed_batch(batch: TestBatch) -> Split:
        output = network(normalised(batch.images.to(device)))
        seen = torch.ones(len(batch.keys), 2, device=device)
        return Split(
            key=batch.keys,
            features=compared_features(output, settings.use_bnneck_for).float().cpu().numpy(),
            visibility=torch.cat([seen.bool(), visible_parts(output.attention, settings.visibility)], 1).cpu().numpy(),
            score=torch.cat([seen, output.attention[:, 1:].amax((2, 3))], 1).float().cpu().numpy(),
            identity=batch.identities.numpy(),
            camera=batch.cameras.numpy(),
            attention=(output.attention * 255).round().byte().cpu().numpy(),
        )

    return embed_batch


def ours(network: BPBReID, settings: ModelInUse) -> Callable[[TestBatch], Split]:
    """Stage embed's path."""
    ready = make_ready(network, settings, DEVICE)
    return lambda batch: embed(ready, batch, settings, DEVICE)


def must_agree(theirs: Split, ours: Split) -> None:
    """Raises AssertionError unless both have the same features and scores but for rounding."""
    for first, second in ((theirs.features, ours.features), (theirs.score, ours.score)):
        difference = torch.from_numpy(first - second).norm() / torch.from_numpy(first).norm()
        assert difference <= 1e-4, difference.item()


def operations(network: BPBReID, size: tuple[int, int]) -> int:
    """Of an image's convolutions and products."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, *size))
    return counter.get_total_flops()


def demo(config: Config) -> list[dict]:
    """mAP of the demo's networks in both precisions, and their largest difference; nothing where it was not run."""
    trained = sorted(PROJECT.glob("results/synthetic/*/seed*/model.safetensors")) if has_bfloat16() else []
    if not trained:
        print("mAP in bfloat16 was not compared: that takes `make demo` first, and a processor with bfloat16")
        return []
    rows = []
    for path in trained:
        entry = config.model(path.parent.parent.name)
        matching = config.matchings[entry.matching]
        found = [mean_precision(path, ModelInUse.of(entry), precision, matching) for precision in PRECISIONS]
        name = "/".join(path.parts[-3:-1])
        rows.append({"what": f"demo, {name}, mAP in bfloat16", "theirs": found[0], "ours": found[1], "ratio": None})
    largest = max(abs(row["ours"] - row["theirs"]) for row in rows)
    what = "demo, largest difference of mAP in bfloat16, of what is allowed"
    return [*rows, {"what": what, "theirs": SAME, "ours": largest, "ratio": largest / SAME, "most": 1}]


def mean_precision(model: Path, settings: ModelInUse, precision: str, matching: Matching) -> float:
    """mAP of the demo with a trained network."""
    slice_ = {
        "model": settings.model_dump(mode="json") | {"embedding_precision": precision},
        "root": str(DEMO / "source"),
    }
    with tempfile.TemporaryDirectory() as folder:
        embeddings = Path(folder) / "embeddings.h5"
        words = ["embed", "--config", json.dumps(slice_), "--manifest", str(DEMO / "manifest.csv")]
        if run("reid", {"embed": ""}, [*words, "--model", str(model), "--embeddings", str(embeddings)]):
            sys.exit(1)
        with reading(embeddings) as file:
            return retrieve(file, matching).measures.summary()["mAP"]


SIDES = torch.rand(2, 1024, 1024)
PRODUCTS = 2 * 1024**3 * 4 / IMAGES  # operations an image of `products`


def products() -> None:
    """Products of matrices, as fast as this processor does them."""
    for _ in range(4):
        torch.mm(*SIDES)


if __name__ == "__main__":
    main()
