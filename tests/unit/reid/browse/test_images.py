"""Which files the page may show, and the images of a finished run."""

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from artefacts.errors import UserError
from artefacts.images import UnreadableImage
from reid.browse.images import of_features, of_images
from reid.browse.run import of_run
from reid.search.features import joined
from reid.search.stored import stored_features
from tests import embeddings
from tests.unit.reid.browse.conftest import images


def test_a_file_is_what_it_holds(pack, tmp_path):
    gallery = images(pack, tmp_path, 1, 2)
    name = gallery.features.names[0]
    Image.new("RGB", (8, 16)).save(name, "JPEG")  # called .png
    content, kind = gallery.file(0)
    assert (content[:2], kind) == (b"\xff\xd8", "image/jpeg")
    (tmp_path / "1/0.png").write_text("a letter")
    with pytest.raises(UnreadableImage):
        gallery.file(0)


def test_no_link_leads_out_of_the_folder(pack, tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 16)).save(secret)
    gallery = images(pack, tmp_path, 1, 2)
    inside = replace(gallery, root=tmp_path / "1")
    assert inside.file(0)
    (tmp_path / "1/0.png").unlink()
    os.symlink(secret, tmp_path / "1/0.png")
    for refused in (
        lambda: inside.file(0),
        lambda: inside.picture(0),
        lambda: of_features(gallery.features),
        lambda: of_images(tmp_path / "1", None, None),
        lambda: of_images(tmp_path / "1/0.png", None, None),
    ):
        with pytest.raises(UserError, match="leads outside"):
            refused()


def test_features_are_searched_where_their_files_are(pack, tmp_path):
    gallery = of_features(images(pack, tmp_path, 1, 2).features)
    assert (gallery.root, gallery.key(1)) == (tmp_path / "1", "1.png")
    (tmp_path / "1/1.png").unlink()
    with pytest.raises(UserError, match=r"1\.png: no such image; run this in the folder where it was embedded"):
        of_features(gallery.features)


def test_a_run_has_its_own_images(pack, tmp_path):
    query, gallery = embeddings.fabricate(1, 4), embeddings.fabricate(2, 6)
    path = embeddings.write(tmp_path / "embeddings.h5", query, gallery)
    told = pack.model_copy(update={"parts": embeddings.NAMES[2:]})
    found = of_run(path, told, tmp_path)["gallery"]
    np.testing.assert_array_equal(found.features.embeddings, gallery.features)
    np.testing.assert_array_equal(found.features.attention, gallery.attention)
    assert (found.key(3), found.cameras.tolist()) == (gallery.key[3], gallery.camera.tolist())
    pieces = [stored_features(path, told, tmp_path, "gallery", (number, 4)) for number in range(4)]
    assert [len(piece) for piece in pieces] == [1, 2, 1, 2]
    np.testing.assert_array_equal(joined(pieces).embeddings, gallery.features)
    assert joined(pieces).names == found.features.names
    other = told.model_copy(update={"provenance": {"inputs": {"model": {"sha256": "abc"}}}})
    with pytest.raises(UserError, match="is of other weights than the pack"):
        of_run(path, other, tmp_path)
