"""A list of images that is damaged is refused before PifPaf sees an image."""

from pathlib import Path

import pytest

from artefacts.errors import UserError
from artefacts.manifest import Source, read_sources


def refusal(path: Path) -> str:
    """The reason in the one line that refuses the file."""
    with pytest.raises(UserError) as error:
        read_sources(path)
    start, end = f"{path}: is not a manifest (", "); run the manifest stage again"
    assert str(error.value).startswith(start)
    assert str(error.value).endswith(end)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(start).removesuffix(end)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its first line does not name the columns key and sha256"),
        (b"query/a.jpg,query,0\nquery/b.jpg,query,0\n", "its first line does not name the columns key and sha256"),
        (b"key,split\nquery/a.jpg,query\n", "its first line does not name the columns key and sha256"),
        (b"key,split,sha256\n", "it lists no image"),
        (b"key,split,sha256\na,query,0\nb,que", "image 2 does not fill the 3 columns"),
        (b"key,split,sha256\na,query,\n", "image 1 does not fill the 3 columns"),
        (b"key,split,sha256\na,query,0,9\n", "image 1 does not fill the 3 columns"),
        (b"\xff\xfe", "UnicodeDecodeError"),
    ],
)
def test_a_damaged_list_is_refused(tmp_path, content, reason):
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    assert refusal(path).startswith(reason)


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such manifest; run the manifest stage first"):
        read_sources(tmp_path / "manifest.csv")


@pytest.mark.parametrize("content", ["key,sha256\r\na,0\r\n", "key,split,sha256\na,query,0\n\n"])
def test_columns_are_found_by_name(tmp_path, content):
    path = tmp_path / "manifest.csv"
    path.write_text(content)
    assert read_sources(path) == [Source("a", "0")]
