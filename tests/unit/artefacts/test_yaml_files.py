"""A configuration file that cannot be read is named with the line that is wrong."""

import pytest

from artefacts.errors import UserError
from artefacts.yaml_files import check_yaml
from tests.workflow.conftest import PROJECT


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"models:\n  x: {a: 1\n  y: 2\n",
            "line 3: is no YAML: did not find expected ',' or '}'; fix this line or one above",
        ),
        (b"models:\n  x: 1\n\ty: 2\n", "line 3: is no YAML: found "),
        (b"models:\n  x: 1\n y: 2\n", "line 3: is no YAML: did not find expected key"),
        (b"a: 1\nb: *gone\n", "line 2: is no YAML: found undefined alias"),
        (b"a: \xff\n", "cannot be read as YAML ("),
        (b"a: \x00\n", "cannot be read as YAML ("),
        (b"", "has no keys at its top, such as `datasets:`"),
        (b"- a\n", "has no keys at its top"),
        (b"a:\n  b: 1\nc: 2\na:\n  d: 3\n", "line 4: has 'a' as line 1 has; keep one"),
        (b"a:\n- b: 1\n  c: 2\n  b: 3\n", "line 4: has 'b' as line 2 has"),
        (b"a: {b: 1, b: 2}\n", "line 1: has 'b' as line 1 has"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, content, words):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        check_yaml(path)
    assert str(error.value).startswith(f"{path}: {words}")
    assert "\n" not in str(error.value)


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(UserError, match="Is a directory"):
        check_yaml(tmp_path)


def test_good_files_pass(tmp_path):
    for name in ("config.yaml", "paper.yaml", "absent.yaml"):
        check_yaml(PROJECT / name)
    path = tmp_path / "config.yaml"
    path.write_text("a: &a\n  ? [complex, key]\n  : *a\n  <<: {}\n  1: x\n  '1': y\n")
    check_yaml(path)
