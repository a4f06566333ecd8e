"""What `make bench-gpu` measures: on the CPU in small, and on a fake GPU as far as that computes."""

import json
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks import evaluation, gpu
from benchmarks.on_device import ways
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
