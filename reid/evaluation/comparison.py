"""The distances that a matching asks for: those of Eq. 9, or these re-ranked."""

import numpy as np

from artefacts.extras import needed
from reid.config.report import Matching
from reid.evaluation.distance import PartDistances
from reid.evaluation.matching import Compared
from reid.evaluation.tiles import HERE, Compute, Distances


def distances_of(
    query: Compared, gallery: Compared, matching: Matching, chosen: np.ndarray | None = None, compute: Compute = HERE
) -> Distances:
    """Between all queries, or those of the numbers `chosen`, and the gallery.

    Re-ranked ones depend on all queries and the whole gallery. Raises UserError where a visible feature is not finite,
    or re-ranking lacks SciPy.
    """
    if matching.rerank is None:
        return PartDistances(query, gallery, chosen, compute)
    needed("scipy", "rerank")
    from reid.evaluation.rerank import Reranked  # loads SciPy, for a tenth of a second

    return Reranked(query, gallery, matching.rerank, chosen, compute)
