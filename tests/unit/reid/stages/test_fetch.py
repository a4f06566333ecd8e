"""What rule fetch may download, and where the shipped addresses come from."""

import json
import re

import openpifpaf
import pytest
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

from reid.config.downloads import digits_of
from reid.config.root import load
from reid.config.stages import FetchConfig
from reid.config.user_files import not_fetched
from tests.configuration import PROJECT, all_content
from tests.people import stage
from tests.server import CONTENT, NAME, answering, fails, right

PIFPAF = {url.rpartition("/")[2]: url for url in openpifpaf.CHECKPOINT_URLS.values() if isinstance(url, str)}
NAMED = re.compile(r"[a-z0-9]+-\d{6}-\d{6}-[\w-]+\.pkl")  # as openpifpaf's releases are
TEXTS = sorted([PROJECT / "README.md", *PROJECT.glob("docs/*.md"), *PROJECT.glob("*.yaml")])


def test_every_checkpoint_of_pifpaf_that_is_named_is_one_that_openpifpaf_knows(config):
    named = {name for path in TEXTS for name in NAMED.findall(path.read_text())}
    assert len(named) > 0
    assert named <= PIFPAF.keys()
    for name, network in config.pifpaf.items():
        if url := config.downloads.get(network.weights):
            assert url.partition("://")[2] == openpifpaf.CHECKPOINT_URLS[name].partition("://")[2]
            assert network.sha256 == digits_of(url)


def test_the_other_addresses(config):
    urls = dict(config.downloads)
    assert urls["data/maskrcnn/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"] == MaskRCNN_ResNet50_FPN_Weights.COCO_V1.url
    commented = re.search(
        r"silhouettes:\n  # +weights: (\S+)\n  # +sha256: (\S+)", (PROJECT / "config.yaml").read_text()
    )
    assert digits_of(urls[commented[1]]) == commented[2]
    used = {config.model(name).backbone.weights for name in config.models}
    assert used & urls.keys() == {"data/backbones/resnet50_ibn_a.pth"}


@pytest.mark.parametrize("url", ["https://host/weights.pth", "ftp://host/weights-1a2b3c4d.pth", "weights-1a2b3c4d.pth"])
def test_an_address_without_a_digest_is_refused(url):
    with pytest.raises(
        Exception, match=r"downloads\.data/a\.pth: .* must be an address whose file name ends in the first"
    ):
        load(all_content() | {"downloads": {"data/a.pth": url}})


def test_what_the_workflow_makes_is_not_downloaded():
    with pytest.raises(Exception, match=r"downloads\.results/a\.pth: the workflow makes what is in results/"):
        load(all_content() | {"downloads": {"results/a.pth": "https://host/a-1a2b3c4d.pth"}})


def test_a_file_is_fetched_once(tmp_path, capsys):
    with answering(right) as (server, asked):
        for _ in range(2):
            assert stage("fetch", config={"url": f"{server}/{NAME}"}, file=tmp_path / "weights.pth") == 0
    assert len(asked) == 1
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT
    assert capsys.readouterr().out == f"{tmp_path}/weights.pth: is there already; nothing is downloaded\n"


def test_what_cannot_be_had_is_one_line_that_says_where_it_is_and_what_else_can_be_done(tmp_path, capsys):
    with answering(fails(404)) as (server, _):
        assert stage("fetch", config={"url": f"{server}/{NAME}"}, file=tmp_path / "weights.pth") == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == (
        f"error: {tmp_path}/weights.pth: cannot be downloaded from {server}/{NAME} (the server says 404 Not Found); "
        "get it some other way and put it there, or set fetch to false to run what can be run without it"
    )


def test_a_file_that_is_asked_for_by_its_name(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = "data/backbones/resnet50_ibn_a.pth"
    forbidden = config.model_copy(update={"fetch": False})
    assert not_fetched(config, path) is None
    assert not_fetched(config, "results/a.md") is None
    assert not_fetched(forbidden, path).startswith(
        f"{path} is missing, and fetch is false: download https://github.com"
    )
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).symlink_to("nowhere")
    assert not_fetched(config, path).startswith(f"{path} is there already")


def test_the_stage_is_told_the_address_alone(config):
    path = "data/backbones/resnet50_ibn_a.pth"
    assert json.loads(FetchConfig.of(config, path).model_dump_json()) == {"url": config.downloads[path]}
