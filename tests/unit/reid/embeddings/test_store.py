"""The file of embeddings: what goes in comes out, and nothing but a whole file of ours is read."""

import dataclasses

import h5py
import numpy as np
import pytest

from artefacts.errors import UserError
from artefacts.hdf5 import write_attribute
from reid.embeddings.store import FIELDS, reading, writing
from tests.embeddings import CELLS, NAMES, fabricate, write

QUERY, GALLERY = fabricate(1, 5), fabricate(2, 600)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "embeddings.h5", QUERY, GALLERY)


def cut(split, start, stop):
    return type(split)(*(getattr(split, field.name)[start:stop] for field in dataclasses.fields(split)))


def test_batches_come_out_as_one(tmp_path):
    path = tmp_path / "embeddings.h5"
    with writing(path, NAMES, CELLS, {"made": "here"}) as writer:
        for start in range(0, 600, 70):
            writer.append("gallery", cut(GALLERY, start, start + 70))
        writer.append("query", QUERY)
    with reading(path) as file:
        assert (file.names, file.parts, file.cells) == (NAMES, NAMES[2:], CELLS)
        assert file.provenance == {"made": "here"}
        assert (len(file.query), len(file.gallery)) == (5, 600)
        for name in ("key", "identity", "camera", "visibility", "score"):
            np.testing.assert_array_equal(getattr(file.gallery, name), getattr(GALLERY, name))
        assert file.gallery.key_of(300) == GALLERY.key[300]
        np.testing.assert_allclose(file.gallery.attention(599), GALLERY.attention[599] / 255, rtol=1e-6)


def test_embeddings_are_read_alone_or_side_by_side(path):
    with reading(path) as file:
        np.testing.assert_array_equal(file.gallery.features([3], 250, 520), GALLERY.features[250:520, 3])
        together = GALLERY.features[:, [2, 4]].reshape(600, -1)
        np.testing.assert_array_equal(file.gallery.features([2, 4]), together)


def interrupted(path):
    with writing(path, NAMES, CELLS, {}) as writer:
        writer.append("query", QUERY)
        raise KeyboardInterrupt


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "e.h5")
    assert not list(tmp_path.iterdir())


def test_both_splits_are_needed(tmp_path):
    with (
        pytest.raises(UserError, match="no image of split 'gallery'"),
        writing(tmp_path / "e.h5", NAMES, CELLS, {}) as w,
    ):
        w.append("query", QUERY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("field", FIELDS)
def test_a_batch_of_the_wrong_shape_is_refused(tmp_path, field):
    wrong = dataclasses.replace(QUERY, **{field: getattr(QUERY, field)[:-1]})
    with pytest.raises(ValueError, match=field), writing(tmp_path / "e.h5", NAMES, CELLS, {}) as writer:
        writer.append("query", wrong)


@pytest.mark.parametrize(
    "names", [["global", "foreground"], ["head", "global", "foreground"], [*NAMES, "parts"], NAMES * 2]
)
def test_names_begin_with_the_holistic_ones(tmp_path, names):
    with pytest.raises(ValueError, match="each once"), writing(tmp_path / "e.h5", names, CELLS, {}):
        pass


def refusal(path) -> str:
    with pytest.raises(UserError) as caught, reading(path):
        pass
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("name", ["features", "visibility", "score", "identity", "camera"])
def test_a_single_changed_byte_is_noticed(path, name):
    with h5py.File(path) as file:
        place = file["gallery"][name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 5] ^= 1
    path.write_bytes(content)
    with reading(path) as file, pytest.raises(UserError, match=f"{name} is damaged; delete it and run embed again"):
        file.gallery.features([0]) if name == "features" else getattr(file.gallery, name)


def test_a_missing_file_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path / "nowhere.h5")


def test_a_foreign_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["features"] = np.zeros(3)
    assert "not a file of embeddings" in refusal(tmp_path / "foreign.h5")


def replace(name, **arguments):
    def spoil(file):
        del file[name]
        file.create_dataset(name, **arguments)

    return spoil


def missing(file):
    del file["gallery/camera"]


def linked(file):
    file.move("gallery/identity", "gallery/moved")
    file["gallery/identity"] = h5py.SoftLink("/gallery/moved")


def absurd(file):
    write_attribute(file, "cells", [100_000, 100_000])
    for split in ("query", "gallery"):
        images, maps = file[split]["attention"].shape[:2]
        del file[split]["attention"]
        file[split].create_dataset("attention", (images, maps, 100_000, 100_000), np.uint8, chunks=(1, 1, 100, 100))


SPOILED = {
    "schema 99, this version reads 2": lambda file: file.attrs.update(schema=99),
    "/gallery/camera is missing, or a link": missing,
    "not readable as embeddings": lambda file: write_attribute(file, "names", "["),
    "/gallery/identity is missing, or a link": linked,
    "/query/score lies in another file": replace(
        "query/score", shape=(5, 5), dtype=np.float32, external=[("elsewhere", 0, 100)]
    ),
    "more than anybody needs": absurd,
    "each once": lambda file: write_attribute(file, "names", ["global"]),
    "/query/identity holds int32": replace("query/identity", data=np.zeros(5, np.int32)),
    "/gallery/camera has shape": replace("gallery/camera", data=np.zeros(3, np.int64)),
    "/query/attention has shape": lambda file: write_attribute(file, "cells", [9, 9]),
    "differ in length": replace("query/features", data=np.zeros((5, 5, 9), np.float32)),
    "claims shape": replace("gallery/features", shape=(600, 5, 8), dtype=np.float32, chunks=(256, 1, 8)),
    "/gallery/key has shape": replace("gallery/identity", shape=(10**13,), dtype=np.int64, chunks=(256,)),
}


@pytest.mark.parametrize("message", SPOILED)
def test_a_file_that_contradicts_itself_is_refused(path, message):
    with h5py.File(path, "r+") as file:
        SPOILED[message](file)
    assert message in refusal(path)
