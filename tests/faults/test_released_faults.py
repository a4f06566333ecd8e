"""Files that claim to be released checkpoints and hold something else: one line each, and nothing is written."""

import json

import pytest
import torch

from reid.checkpoints.store import load_model
from tests.official.files import SMALL, import_checkpoint, settings, small, small_parameters, write_checkpoint

PARTS, NECK = "pixel_classifier.classifier.weight", "global_identity_classifier.bn.weight"
COUNT = "pixel_classifier.bn.num_batches_tracked"
UNUSED = "background_identity_classifier.bn.weight"
WIDTH = 512


@pytest.fixture(scope="module")
def entry(config):
    return small(config)


@pytest.fixture(scope="module")
def parameters(entry):
    return small_parameters(entry, 8)


@pytest.fixture
def outcome(config, entry, tmp_path, capsys):
    """What an import of a file of these contents says, "" if it succeeds."""

    def run(state: object, theirs: object, **more: object) -> str:
        file, output = tmp_path / "released.pth.tar", tmp_path / "model.safetensors"
        write_checkpoint(file, state, theirs, **more)
        status = import_checkpoint(config, file, output, entry)
        assert status == (not output.exists())
        error = capsys.readouterr().err
        assert len(error.splitlines()) == status
        if output.exists():
            json.loads(json.dumps(load_model(output).provenance), parse_constant=pytest.fail)
        return error

    return run


def theirs(**changes) -> dict:
    return settings(SMALL, (64, 32), **changes)


def quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(WIDTH), 0.1, 0, torch.qint8)


def filled(number: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([1.0] * (WIDTH - 1) + [number], dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (NECK, "text", f"{NECK} is a str, not a tensor"),
        (NECK, None, f"{NECK} is a NoneType, not a tensor"),
        (NECK, [1.0] * WIDTH, f"{NECK} is a list, not a tensor"),
        (NECK, {"weight": torch.ones(WIDTH)}, f"{NECK} is a dict, not a tensor"),
        (UNUSED, "text", f"{UNUSED} is a str, not a tensor"),
        (PARTS, "nine chars", f"{PARTS} is a str, not a tensor"),
        (NECK, torch.ones(WIDTH).to_sparse(), f"{NECK} is not an ordinary tensor"),
        (PARTS, torch.ones(9, WIDTH).to_sparse(), f"{PARTS} is not an ordinary tensor"),
        (NECK, quantised(), f"{NECK} is not an ordinary tensor"),
        (NECK, torch.ones(1).expand(WIDTH), f"{NECK} has the shape [{WIDTH}], of which the file holds only a part"),
        (PARTS, torch.ones(1, 1).expand(10**7, 10**7), "of which the file holds only a part"),
        (NECK, filled(torch.nan), f"{NECK} holds values that are not finite"),
        (NECK, filled(-torch.inf), f"{NECK} holds values that are not finite"),
        (NECK, filled(torch.nan, torch.float16), f"{NECK} holds values that are not finite"),
        (NECK, filled(1e300, torch.float64), f"{NECK} holds values that are not finite"),
        (NECK, torch.ones(WIDTH, dtype=torch.complex64), f"{NECK} holds torch.complex64, not torch.float32"),
        (NECK, torch.ones(WIDTH, dtype=torch.int64), f"{NECK} holds torch.int64, not torch.float32"),
        (COUNT, torch.tensor(7.5), f"{COUNT} holds torch.float32, not torch.int64"),
        (NECK, torch.ones(WIDTH, 1), f"{NECK} has the shape [{WIDTH}, 1], not [{WIDTH}]"),
        (PARTS, torch.tensor(1.0), "is no released checkpoint of BPBReID (len() of a 0-d tensor)"),
        (PARTS, torch.ones(9), f"{PARTS} has the shape [9], not [9, "),
        (PARTS, torch.ones(9, 9, 3, 3), f"{PARTS} has the shape [9, 9, 3, 3], not [9, "),
        (PARTS, torch.ones(1, 9), "knows 0 parts of 11 identities"),
        (3, torch.ones(1), "a parameter is called 3"),
        ("line\nbreak", torch.ones(1), r"a parameter is called 'line\nbreak'"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(outcome, parameters, name, content, message):
    assert message in outcome(parameters | {name: content}, theirs())


def test_half_precision_and_parameters_that_share_memory_become_ordinary_ones(outcome, parameters):
    shared = torch.ones(2 * WIDTH)
    halves = {NECK: shared[:WIDTH], NECK.replace("weight", "bias"): shared[WIDTH:]}
    assert not outcome(parameters | halves | {PARTS: parameters[PARTS].half()}, theirs())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("text", "its state_dict is a str, not a mapping"),
        ([torch.ones(1)], "its state_dict is a list, not a mapping"),
        (None, "its state_dict is a NoneType, not a mapping"),
        ({}, f"it has no '{PARTS}'"),
    ],
)
def test_parameters_that_are_none(outcome, state, message):
    assert message in outcome(state, theirs())


@pytest.mark.parametrize("content", [["a list"], "text", torch.ones(2), None, 3, {"epoch": 3}])
def test_content_of_another_kind(config, entry, tmp_path, capsys, content):
    torch.save(content, tmp_path / "other.pth.tar")
    assert import_checkpoint(config, tmp_path / "other.pth.tar", tmp_path / "out", entry) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no released checkpoint" in line


@pytest.mark.parametrize(
    ("config_of_theirs", "message"),
    [
        ("text", "its config is a str, not a mapping"),
        (["model"], "its config is a list, not a mapping"),
        (7, "its config is a int, not a mapping"),
        (None, "it tells 8 parts apart, but does not say which; set models.own.scheme"),
        ({"model": None}, "does not say which; set models.own.scheme"),
        ({"model": "bpbreid"}, "does not say which; set models.own.scheme"),
        ({"model": {"bpbreid": ["masks"]}}, "does not say which; set models.own.scheme"),
        (theirs(masks=None), "does not say which; set models.own.scheme"),
        (theirs(masks={"preprocess": ["eight"]}), "its part scheme ['eight'] is not known here"),
        (theirs(masks={"preprocess": "x" * 10**5}), "is not known here"),
        ({"data": {"transforms": ["rc", None, 3, {"re": 1}]}}, "data.transforms is ['rc', None, 3, {'re': 1}], not"),
        ({"data": {"transforms": "rc"}}, "data.transforms is 'rc', not ['rc', 're']"),
        ({"data": {"height": {"a\nb": torch.ones(3)}}}, "data.height is {"),
        ({"train": {"lr": float("nan")}}, "train.lr is 'NaN', not 0.00035"),
        ({("a", "tuple"): 1}, "is no released checkpoint"),
    ],
)  # fmt: skip
def test_settings_of_another_kind(outcome, parameters, config_of_theirs, message):
    line = outcome(parameters, config_of_theirs)
    assert message in line
    assert len(line) < 2000


@pytest.mark.parametrize("score", ["text", None, float("nan"), [0.5], torch.ones(2)])
def test_scores_that_are_no_numbers_are_left_out(outcome, parameters, score):
    odd = theirs()
    odd["project"]["notes"] = float("inf")  # of no consequence, but no JSON
    assert not outcome(parameters, odd, rank1=score, mAP=score, epoch=score)
