"""Features of a finished run, out of its `embeddings.h5`, compared and searched as those that a model embeds now."""

from pathlib import Path

import h5py
import numpy as np

from artefacts.errors import UserError
from artefacts.hdf5 import not_read, open_hdf5
from reid.checkpoints.pack_format import Pack
from reid.embeddings.store import WRITER, reading
from reid.search.features import Features


def stored_features(embeddings: Path, pack: Pack, root: Path, split: str, shard: tuple[int, int] = (0, 1)) -> Features:
    """Query or gallery, whose images lie below `root`; (i, n) is the i-th of n about equal pieces of it, in its order.

    Raises UserError if the file is not whole, or is of other weights than the pack.
    """
    number, shards = shard
    with reading(embeddings) as known:
        weights = [one.get("inputs", {}).get("model", {}).get("sha256") for one in (known.provenance, pack.provenance)]
        if weights[0] != weights[1] or known.parts != pack.parts:
            raise UserError(f"{embeddings}: is of other weights than the pack; make both anew: snakemake, or reid pack")
        images = getattr(known, split)
        rows = slice(*(len(images) * end // shards for end in (number, number + 1)))
        names = [str(root / images.key_of(row)) for row in range(rows.start, rows.stop)]
    with open_hdf5(embeddings, WRITER) as file:
        return _features(file[split], names, pack, rows)


def _features(group: h5py.Group, names: list[str], pack: Pack, rows: slice) -> Features:
    try:
        return Features(
            pack=pack,
            names=names,
            embeddings=group["features"][rows].astype(np.float32),
            visible=group["visibility"][rows],
            scores=group["score"][rows],
            attention=group["attention"][rows],
        )
    except (OSError, RuntimeError) as error:
        raise not_read(Path(group.file.filename), group.name, error, WRITER) from None
