"""Reader `msmt17`: MSMT17 in its first or second version (`train`, `test`, or `mask_train_v2`, `mask_test_v2`).

Its four lists hold a path and an identity on each line. `list_train.txt` and `list_val.txt` together are the 32,621
training images of the publication. Training and test half count identities from 0 each: here 1 + the number, and
100,001 + the number. The camera is the third field of a name (`0000_000_01_0303morning_0008_0.jpg`).
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from artefacts.errors import UserError
from artefacts.files import is_inside
from reid.config.dataset import Options
from reid.data.readers.files import located
from reid.data.readers.names import Name

VERSIONS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
LISTS = {"list_train.txt": "train", "list_val.txt": "train", "list_query.txt": "query", "list_gallery.txt": "gallery"}
TEST_IDENTITIES = 100_000  # from where those of the test half are numbered


def read(root: Path, wanted: Iterable[str], options: Options, name: str) -> list[Name]:
    """All images that the lists of the `wanted` splits name; whether they are there is for the manifest stage to see.

    Raises UserError for a missing folder or list and for a wrong line.
    """
    train, test = _halves(root, name)
    base = root / PurePosixPath(test).parent
    names = []
    for file, split in LISTS.items():
        if split in wanted:
            names += [_named(*line, train if split == "train" else test, split) for line in _lines(base / file)]
    return names


def _halves(root: Path, name: str) -> list[str]:
    """Where the two halves lie, of the second version if there is one and of the first otherwise."""
    try:
        return list(located(root, VERSIONS[1], name).values())
    except UserError:
        return list(located(root, VERSIONS[0], name).values())


def _lines(path: Path) -> list[tuple[Path, int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); MSMT17 comes with it, put it back") from None
    return [(path, number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _named(path: Path, number: int, line: str, folder: str, split: str) -> Name:
    try:
        image, identity = line.split()
        camera, number_in_half = PurePosixPath(image).name.split("_")[2], int(identity)
        half, first = ("train", 1) if split == "train" else ("test", 1 + TEST_IDENTITIES)
        name = Name(f"{folder}/{image}", split, first + number_in_half, int(camera), f"{half} {identity}", camera)
    except (ValueError, IndexError):
        raise UserError(f"{path}: line {number}: is not PATH IDENTITY, as published; unpack it again") from None
    if not is_inside(name.key) or number_in_half < 0:
        raise UserError(f"{path}: line {number}: leads outside the dataset; unpack it again")
    return name
