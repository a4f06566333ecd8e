"""Another comparison than the one that a pack was measured with: of some embeddings only, with another visibility."""

from collections.abc import Sequence

from reid.checkpoints.pack_format import Pack
from reid.config.report import PartThresholds
from reid.embeddings.store import HOLISTIC
from reid.evaluation.matching import compared_columns

VISIBILITY = {"on": True, "off": False, "soft": "soft"}  # as in `matchings`


def compared_names(pack: Pack) -> list[str]:
    """Names of the embeddings that the pack's matching compares."""
    return list(compared_columns(pack.matching.embeddings, [*HOLISTIC, *pack.parts]))


def chosen_pack(
    pack: Pack, embeddings: Sequence[str] | None = None, visibility: bool | str | PartThresholds | None = None
) -> Pack:
    """The pack with a matching that compares these `embeddings`, with this visibility; None leaves either as it is.

    Another matching has other distances, for which the calibration does not hold: there is none then. Raises UserError
    for an embedding that the model does not have.
    """
    change: dict[str, object] = {}
    if embeddings is not None and set(embeddings) != set(compared_names(pack)):
        change["embeddings"] = list(dict.fromkeys(embeddings))
    if visibility is not None:
        change["visibility"] = visibility
    matching = pack.matching.model_copy(update=change)
    compared_columns(matching.embeddings, [*HOLISTIC, *pack.parts])
    if matching == pack.matching:
        return pack
    return pack.model_copy(update={"matching": matching, "calibration": None})


def without_reranking(pack: Pack) -> Pack:
    """The pack with a matching that compares by Eq. 9 alone; a calibration would be that of re-ranked distances."""
    if pack.matching.rerank is None:
        return pack
    return pack.model_copy(update={"matching": pack.matching.model_copy(update={"rerank": None}), "calibration": None})
