"""The images of a finished run: query and gallery of its dataset, as they were embedded for its evaluation."""

from pathlib import Path

import h5py
import numpy as np

from artefacts.errors import UserError
from artefacts.hdf5 import not_read, open_hdf5
from reid.browse.images import ImageSet
from reid.checkpoints.pack_format import Pack
from reid.embeddings.store import SPLITS, WRITER, reading
from reid.search.features import Features


def of_run(embeddings: Path, pack: Pack, root: Path) -> dict[str, ImageSet]:
    """Query and gallery of `embeddings.h5`, whose images lie below `root`.

    Raises UserError if the file is not whole, or is of other weights than the pack.
    """
    with reading(embeddings) as known:
        weights = [one.get("inputs", {}).get("model", {}).get("sha256") for one in (known.provenance, pack.provenance)]
        if weights[0] != weights[1] or known.parts != pack.parts:
            raise UserError(f"{embeddings}: is of other weights than the pack; make both anew: snakemake, or reid pack")
        keys = {split: [getattr(known, split).key_of(n) for n in range(len(getattr(known, split)))] for split in SPLITS}
    with open_hdf5(embeddings, WRITER) as file:
        return {split: _images(file[split], keys[split], pack, root) for split in SPLITS}


def _images(group: h5py.Group, keys: list[str], pack: Pack, root: Path) -> ImageSet:
    try:
        features = Features(
            pack=pack,
            names=[str(root / key) for key in keys],
            embeddings=group["features"][:].astype(np.float32),
            visible=group["visibility"][:],
            scores=group["score"][:],
            attention=group["attention"][:],
        )
        return ImageSet(features, root, group["identity"][:], group["camera"][:])
    except (OSError, RuntimeError) as error:
        raise not_read(Path(group.file.filename), group.name, error, WRITER) from None
