"""One walk of a folder as folders are: nothing on a disk makes it fail, and its digest tells every change."""

import os
from pathlib import Path

import pytest

from artefacts import folders
from artefacts.errors import UserError
from artefacts.folders import Entry, listing_digest, subfolders, walk


@pytest.fixture
def shop(tmp_path) -> Path:
    """A folder with one of everything."""
    root = tmp_path / "shop"
    for folder in ("a/b", ".git", "lost+found", "@eaDir/1.jpg"):
        (root / folder).mkdir(parents=True)
    (root / "a/b/1.jpg").write_bytes(b"12345")
    (root / "a/link.jpg").symlink_to("b/1.jpg")
    (root / ".git/config").touch()
    (root / "lost+found/2.jpg").touch()
    (root / "circle").symlink_to(root)
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "broken.jpg").symlink_to("gone.jpg")
    os.mkfifo(root / "pipe.jpg")
    Path(os.fsdecode(bytes(root) + b"/\xff.txt")).touch()
    return root


def test_everything_is_an_entry_of_its_kind(shop):
    assert sorted(walk(shop)) == [
        Entry(".git", "hidden", 0),
        Entry("@eaDir", "hidden", 0),
        Entry("a/b/1.jpg", "file", 5),
        Entry("a/link.jpg", "file", 5),
        Entry("broken.jpg", "no_file", 0),
        Entry("circle", "link", 0),
        Entry("lost+found", "hidden", 0),
        Entry("pipe.jpg", "no_file", 0),
        Entry("self.jpg", "no_file", 0),
        Entry("\udcff.txt", "file", 0),
    ]
    assert sorted(walk(shop, "a")) == [Entry("a/b/1.jpg", "file", 5), Entry("a/link.jpg", "file", 5)]
    assert subfolders(shop) == ["a", "circle"]


def test_a_folder_that_cannot_be_listed_is_an_entry(shop, monkeypatch):
    close(monkeypatch, shop / "a/b")
    assert Entry("a/b", "closed", 0) in set(walk(shop))
    assert subfolders(shop / "a/b") == []


def test_what_vanishes_during_the_walk_is_no_file(shop, monkeypatch):
    kind = folders._kind

    def vanishing(entry: os.DirEntry) -> str:
        found = kind(entry)
        if entry.name == "1.jpg":
            os.unlink(entry.path)
        return found

    monkeypatch.setattr(folders, "_kind", vanishing)
    assert Entry("a/b/1.jpg", "no_file", 0) in set(walk(shop))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("a/b/1.jpg", "/shop/a/b/1.jpg: is a file where a folder should be; name the folder, or unpack it"),
        ("gone", "/shop/gone: is no folder; put it there, or change the path to it"),
        ("self.jpg", "/shop/self.jpg: is no folder; put it there"),
        ("a", "/shop/a: cannot be listed (Permission denied); let yourself read it (chmod u+rx), or ask its owner"),
    ],
)
def test_a_root_that_cannot_be_listed_is_an_error(shop, monkeypatch, path, words):
    close(monkeypatch, shop / "a")
    with pytest.raises(UserError) as error:
        listing_digest(shop / path)
    assert words in str(error.value)


def test_the_digest_tells_what_counts_from_what_does_not(shop):
    digests = [listing_digest(shop)]
    for change in (
        lambda: (shop / "a/2.jpg").touch(),
        lambda: (shop / "a/2.jpg").write_bytes(b"1"),
        lambda: (shop / "a/2.jpg").rename(shop / "a/3.jpg"),
        lambda: (shop / "circle").unlink(),
        lambda: (shop / "broken.jpg").unlink(),
    ):
        change()
        digests.append(listing_digest(shop))
    assert len(set(digests)) == len(digests)
    (shop / ".DS_Store").touch()
    (shop / "lost+found/more.jpg").touch()
    (shop / "a/3.jpg").write_bytes(b"2")
    assert listing_digest(shop) == digests[-1]
    assert listing_digest(shop.rename(shop.with_name("moved"))) == digests[-1]


def close(monkeypatch, folder: Path) -> None:
    """Make listing `folder` fail as it does without the right to read it, of which root has too much."""
    scandir = os.scandir

    def refusing(path: Path):
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
