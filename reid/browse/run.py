"""The images of a finished run: query and gallery of its dataset, as they were embedded for its evaluation."""

from pathlib import Path

from reid.browse.images import ImageSet
from reid.checkpoints.pack_format import Pack
from reid.embeddings.store import SPLITS, reading
from reid.search.stored import stored_features


def of_run(embeddings: Path, pack: Pack, root: Path) -> dict[str, ImageSet]:
    """Query and gallery of `embeddings.h5`, whose images lie below `root`.

    Raises UserError if the file is not whole, or is of other weights than the pack.
    """
    features = {split: stored_features(embeddings, pack, root, split) for split in SPLITS}
    with reading(embeddings) as known:
        stored = {split: getattr(known, split) for split in SPLITS}
        return {split: ImageSet(features[split], root, of.identity, of.camera) for split, of in stored.items()}
