import re

import yaml

from tests.contributing.conftest import configured
from tests.datasets import put, read

ENTRY = r"""
shop:
  reader: names
  root: data/shop
  options: { pattern: '(?P<split>[^/]+)/(?P<identity>[^/_]+)_(?P<camera>[^/_]+)_\d+' }
  scheme: five
  pifpaf: shufflenetv2k16
"""
IMAGES = ["train/ann_door_1.jpg", "train/ann_till_2.jpg", "query/bob_door_1.jpg", "gallery/bob_till_1.jpg"]


def test_a_dataset_is_an_entry_of_config_yaml(tmp_path):
    shop = configured(datasets=yaml.safe_load(ENTRY)).datasets["shop"]
    rows = read(put(tmp_path / "shop", IMAGES), tmp_path, reader=shop.reader, options=dict(shop.options))
    assert {(row.key, row.split, row.identity_name, row.camera_name) for row in rows} == {
        (key, *re.fullmatch(r"(\w+)/(\w+)_(\w+)_\d+\.jpg", key).groups()) for key in IMAGES
    }
