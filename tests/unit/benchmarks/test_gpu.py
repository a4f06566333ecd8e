"""What `make bench-gpu` measures: on the CPU in small, and on a fake GPU as far as that computes."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch.profiler import ProfilerActivity

from benchmarks import evaluation, gpu
from benchmarks.on_device import figures, ways
from benchmarks.on_device.figures import Plan, busy_seconds, measured
from tests.fake_cuda import CUDA, backward, fake_accelerator, fake_cuda, fake_model

PROJECT = Path(__file__).resolve().parents[3]
CPU = torch.device("cpu")
PLAN = Plan(images=6, warmup=3, steps=2, repeats=3)


def kernel(start: float, length: float, kind: str = "kernel") -> dict:
    return {"cat": kind, "ts": start, "dur": length}


def test_kernels_that_overlap_count_once_and_copies_do_not():
    apart, over, within = kernel(100, 50), kernel(10, 30), kernel(15, 5)
    others = kernel(200, 70, "gpu_memcpy"), kernel(0, 500, "gpu_user_annotation"), {"ph": "M", "name": "process_name"}
    assert busy_seconds([apart, over, within, kernel(30, 20), *others]) == pytest.approx(90e-6)
    assert busy_seconds(others) == 0


def test_the_median_of_repeats_counts_without_the_warm_up(monkeypatch):
    clock, calls, pace = [0.0], [], iter([50.0, 1.0, 4.0, 2.0])
    monkeypatch.setattr("benchmarks.on_device.figures.time.perf_counter", lambda: clock[0])

    def way(steps: int) -> None:
        calls.append(steps)
        clock[0] += next(pace) * steps

    found = measured(way, PLAN, CPU)
    assert calls == [3, 2, 2, 2]
    assert (found.slowest, found.rate, found.fastest) == (6 / 4, 6 / 2, 6 / 1)
    assert found.memory is found.busy is None


@pytest.fixture
def card(monkeypatch):
    """A GPU of which torch and nvidia-smi tell, and that takes no time; what it was asked to do, in order."""
    asked = []
    properties = SimpleNamespace(name="NVIDIA Test", total_memory=24 * 2**30, major=8, minor=6)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    for name in ("synchronize", "reset_peak_memory_stats", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91300)
    return asked


def test_card_driver_and_libraries_are_told(card, monkeypatch):
    def smi(command: list[str], **_) -> SimpleNamespace:
        assert command[:2] == ["nvidia-smi", "--query-gpu=driver_version"]
        return SimpleNamespace(stdout="580.82.07\n580.82.07\n")

    monkeypatch.setattr(figures.subprocess, "run", smi)
    told = figures.about(CUDA)
    assert told.pop("threads") == torch.get_num_threads()
    assert told == {
        "device": "NVIDIA Test", "memory_mib": 24 * 1024, "capability": "8.6", "driver": "580.82.07",
        "cuda": "13.0", "cudnn": 91300,
    }  # fmt: skip
    monkeypatch.setattr(figures.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    assert figures.about(CUDA)["driver"] == "unknown"


@pytest.mark.parametrize(("lengths", "share"), [([0.5, 0.25], 0.75), ([], None)])
def test_peak_memory_and_the_share_of_time_with_a_kernel(card, monkeypatch, lengths, share):
    """The peak after the warm-up; each timing ends when the device is done; the trace is of the profiled steps."""
    clock, steps = [0.0], []

    class Profiler:
        def __init__(self, activities: list) -> None:
            assert activities == [ProfilerActivity.CUDA]

        def __enter__(self) -> "Profiler":
            card.append("profiled")
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def export_chrome_trace(self, path: str) -> None:
            events = [kernel(1e6 * number, 1e6 * length) for number, length in enumerate(lengths)]
            Path(path).write_text(json.dumps({"traceEvents": events}))

    def way(count: int) -> None:
        steps.append(count)
        clock[0] += 1.0

    monkeypatch.setattr(figures, "profile", Profiler)
    monkeypatch.setattr(figures.time, "perf_counter", lambda: clock[0])
    found = measured(way, Plan(images=6, warmup=3, steps=2, repeats=2, profiled=7), CUDA)
    assert steps == [3, 2, 2, 7]
    assert card == ["synchronize", "reset_peak_memory_stats", "synchronize", "synchronize", "profiled", "synchronize"]
    assert (found.rate, found.memory, found.busy) == (12, 3, share)
    figures.set_free(CUDA)
    assert card[-1] == "empty_cache"


def test_rows_and_line_of_a_card_have_memory_and_busy():
    plain, ours = gpu.Figures(10, 9, 11, 400, 0.5), gpu.Figures(30, 28, 31, 100, 0.9)
    speed, memory, busy = gpu.rows_of("x", plain, ours, "")
    assert (speed["what"], speed["ratio"], speed["ours_range"]) == ("x, a second", 3, [28, 31])
    assert memory == {"what": "x, MiB", "theirs": 400, "ours": 100, "ratio": 4}
    assert busy == {"what": "x, share of time with a kernel", "theirs": 0.5, "ours": 0.9, "ratio": None}
    assert gpu.line("x", plain, ours, "") == ("x", "10.0", "30.0", "3.00", "400", "100", "50%", "90%", "")
    assert len(gpu.rows_of("x", None, gpu.Figures(1, 1, 1, None, None), "")) == 1


def raising(error: Exception):
    def make():
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.benchmark is True
        raise error

    return make


def test_one_way_s_end_is_told_and_the_other_is_measured():
    def compared(error: Exception) -> tuple:
        case = gpu.Case("x", "float32", PLAN, ours=lambda: lambda steps: None, plain=raising(error))
        return gpu.compare(case, CPU)

    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    plain, ours, note = compared(torch.OutOfMemoryError("CUDA out of memory"))
    assert (plain, note) == (None, "plain: out of memory")
    assert ours.rate > 0
    assert compared(ValueError("no\nmore"))[2] == "plain: failed (ValueError: no)"
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark) == before


def test_without_a_gpu_it_says_how_to_do_without(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "torch_device", lambda: "cpu")
    monkeypatch.setattr("sys.argv", ["gpu.py", "--report", str(tmp_path / "gpu.json")])
    with pytest.raises(SystemExit, match=r"^error: torch finds no GPU; make bench-gpu CPU=1"):
        gpu.main()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning")  # torch's own
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_ways_of_training_keep_to_the_gpu(precision, monkeypatch):
    settings = gpu.entry("small", gpu.SMALL, precision)
    tiny = settings.backbone.model_copy(update={"name": "resnet10t", "levels": (1, 2)})
    settings = settings.model_copy(update={"backbone": tiny})
    with fake_accelerator(precision) as accelerator, fake_cuda() as waits:
        monkeypatch.setattr(ways, "new_model", lambda settings, *_: fake_model(settings, waits.mode))
        monkeypatch.setattr(ways, "Accelerator", lambda **_: accelerator)
        monkeypatch.setattr(ways.AcceleratorState, "_reset_state", lambda **_: None)
        monkeypatch.setattr(torch.Tensor, "backward", backward)
        for way, waited in ((ways.train, 1), (ways.train_plainly, 2)):
            run = way(settings, CUDA)
            before = waits.number
            run(2)
            assert waits.number - before >= waited


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning")  # torch's own
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_ways_of_embedding_keep_to_the_gpu(precision, monkeypatch):
    """Ours waits once a batch; the plain way at least as often."""
    settings = gpu.entry("small", gpu.SMALL, precision)
    tiny = settings.backbone.model_copy(update={"name": "resnet10t", "levels": (1, 2)})
    settings = gpu.ModelInUse.of(settings.model_copy(update={"backbone": tiny}))
    images = ways.loaded_batch(settings, 4)  # with numbers that are not fake, as a loader gives them
    for way, waited in ((ways.embed, [3]), (ways.embed_plainly, range(3, 99))):
        with fake_cuda() as waits:
            batch = images._replace(images=torch.zeros(images.images.shape, dtype=torch.uint8))
            monkeypatch.setattr(ways, "loaded_batch", lambda *_, batch=batch: batch)
            untrained = fake_model(settings, waits.mode).eval()
            monkeypatch.setattr(ways.extraction, "pretended", lambda _, network=untrained: network)
            run = way(settings, 4, CUDA)
            before = waits.number
            run(3)
            assert waits.number - before in waited


def test_all_distances_are_computed_where_the_features_are():
    with fake_cuda():
        features = [torch.rand(number, 3, 8, device=CUDA) for number in (5, 7)]
        found = evaluation.all_distances(*features, *(one[..., 0] > 0.5 for one in features))
    assert [(values.shape, values.device) for values in found] == [((5, 7), CUDA), ((3, 5, 7), CUDA)]


def test_make_passes_on_what_it_is_given():
    def told(*words: str) -> str:
        command = ["make", "--dry-run", *words]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True).stdout

    assert "python benchmarks/gpu.py --cpu --models small\n" in told("bench-gpu", "CPU=1", "ARGS=--models small")
    assert "python benchmarks/gpu.py  \n" in told("bench-gpu")
    assert "gpu.py" not in told("bench")


@pytest.mark.slow
def test_everything_is_measured_in_small_on_the_cpu(tmp_path, monkeypatch, capsys):
    report = tmp_path / "gpu.json"
    monkeypatch.setattr("sys.argv", ["gpu.py", "--cpu", "--models", "small", "--report", str(report)])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    shown, content = capsys.readouterr().out, json.loads(report.read_text())
    assert ended.value.code == 0, shown
    assert content["measured"]["device"] == "cpu"
    assert content["measured"]["commit"] in shown
    rows = {row["what"].removesuffix(", a second"): row for row in content["rows"]}
    assert all(f"| {what} " in shown for what in rows)
    expected = {f"{stage} small, {precision}" for stage in ("training", "embedding") for precision in gpu.PRECISIONS}
    expected |= {"labelling, float32", "labelling, bfloat16"}
    assert set(rows) == expected | {"evaluation, float32"}
    for what, row in rows.items():
        if "tf32" in what:
            assert (row["theirs"], row["ours"], row["note"]) == (None, None, "TF32 needs a GPU")
        else:
            assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"])
            assert row["theirs_range"][0] <= row["theirs"] <= row["theirs_range"][1]
            assert "note" not in row
