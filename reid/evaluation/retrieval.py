"""A whole search: every query against the gallery of an `embeddings.h5`, and what is reported of it."""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artefacts.errors import UserError
from reid.config.root import Matching
from reid.embeddings.store import Embeddings
from reid.evaluation.calibration import PairCounts
from reid.evaluation.comparison import distances_of
from reid.evaluation.distance import largest_plus_one
from reid.evaluation.groups import by_group, read_groups
from reid.evaluation.matching import compared
from reid.evaluation.ranking import CMC_RANKS, Measures, Protocol, Ranking, measures, precisions, protocol
from reid.evaluation.roc import Roc
from reid.evaluation.single_shot import SingleShotRanking
from reid.evaluation.tiles import HERE, Compute, Tile


@dataclass(frozen=True)
class Retrieval:
    """The outcome for Q queries: who counted for whom, what was measured, and the first k gallery images [Q, k].

    Of these, `correct` tells which are of the query's identity; -1 and NaN stand where the gallery has no more.
    `query_visible` [Q, P] and `gallery_visible` [G, P] are the visibility scores of the compared embeddings `names`.
    `precisions` [M] are those at the positives' ranks, in the protocol's order. `apart` counts the pairs that have
    nothing in common, `apart_positives` those of them that are positives. `roc`, `pair_counts` and
    `single_shot` are there if wanted.
    """

    names: list[str]
    query_identity: np.ndarray
    protocol: Protocol
    measures: Measures
    precisions: np.ndarray
    nearest: np.ndarray
    nearest_distances: np.ndarray
    correct: np.ndarray
    query_visible: np.ndarray
    gallery_visible: np.ndarray
    apart: int
    apart_positives: int
    roc: Roc | None
    pair_counts: PairCounts | None
    single_shot: SingleShotRanking | None


def retrieve(
    file: Embeddings,
    matching: Matching,
    keep: int = 0,
    chosen: np.ndarray | None = None,
    verify: bool = False,
    compute: Compute = HERE,
) -> Retrieval:
    """Search the gallery for all queries, or for those of the numbers `chosen`, under one matching.

    `verify` asks for `roc` and `pair_counts`, the matching for `single_shot`. Raises UserError where no query
    has a positive, and for what the file or the matching lacks.
    """
    chosen = np.arange(len(file.query)) if chosen is None else chosen
    matching = _with_thresholds(file, matching)
    pairs = _protocol(file, chosen)
    query, gallery = (compared(split, matching, file.names) for split in (file.query, file.gallery))
    distances = distances_of(query, gallery, matching, chosen, compute)
    ranking = Ranking(pairs, distances.pairs(pairs.rows, pairs.columns), keep)
    roc = Roc(ranking.distances) if verify else None
    identity = file.query.identity[chosen]
    counts = PairCounts(pairs, ranking.distances, identity, file.gallery.identity) if verify else None
    shots = _single_shot(file, matching, chosen, ranking)
    finite = matching.nothing_in_common == "largest_plus_one"
    totals = _Totals()

    def receive(tile: Tile) -> None:
        totals.add(tile)
        for accumulator in (ranking, roc, counts, shots):
            if accumulator:
                accumulator.add(tile)

    distances.stream(receive, f"comparing {'+'.join(matching.embeddings)}")
    nearest, shown = ranking.nearest.images, ranking.nearest.distances
    return Retrieval(
        names=list(query.columns),
        query_identity=identity,
        protocol=pairs,
        measures=measures(pairs.offsets, ranking.ranks),
        precisions=precisions(pairs.offsets, ranking.ranks),
        nearest=nearest,
        nearest_distances=largest_plus_one(shown, totals.largest) if finite else shown,
        correct=(nearest >= 0) & (file.gallery.identity[nearest] == identity[:, None]),
        query_visible=query.visible[chosen],
        gallery_visible=gallery.visible,
        apart=totals.apart,
        apart_positives=_apart(query.visible[chosen][pairs.rows], gallery.visible[pairs.columns]),
        roc=roc,
        pair_counts=counts,
        single_shot=shots,
    )


def _with_thresholds(file: Embeddings, matching: Matching) -> Matching:
    try:
        return matching.with_thresholds(file.part_attention)
    except ValueError as error:
        raise UserError(f"{file.query.path}: {error}; train the model again, which measures it") from None


def _protocol(file: Embeddings, chosen: np.ndarray) -> Protocol:
    query, gallery = file.query, file.gallery
    try:
        return protocol(query.identity[chosen], gallery.identity, query.camera[chosen], gallery.camera)
    except UserError as error:
        raise UserError(f"{query.path}: {error}") from None


def _single_shot(
    file: Embeddings, matching: Matching, chosen: np.ndarray, ranking: Ranking
) -> SingleShotRanking | None:
    if matching.single_shot is None:
        return None
    identities = file.query.identity[chosen], file.gallery.identity
    return SingleShotRanking(ranking.protocol, ranking.distances, *identities, matching.single_shot)


class _Totals:
    """How many distances are infinite, and the largest other, of all tiles."""

    def __init__(self) -> None:
        self.apart, self.largest, self._lock = 0, 0.0, threading.Lock()

    def add(self, tile: Tile) -> None:
        """Count in a tile before it is changed."""
        with self._lock:
            self.apart, self.largest = self.apart + tile.apart, max(self.largest, tile.largest)


def _apart(query_visible: np.ndarray, gallery_visible: np.ndarray) -> int:
    """How many of M pairs have nothing in common, by the visibility [M, P] of both images."""
    return int((~(query_visible & gallery_visible).any(axis=1)).sum())


def report(file: Embeddings, matching: Matching, compute: Compute = HERE, groups: Path | None = None) -> dict:
    """What a matching is worth, ready for JSON: measures, CMC, by visible parts, ROC, calibration, counts.

    With a CSV of `groups` also `by_group`, the measures of each (`reid.evaluation.groups`), in the whole gallery.
    """
    found = retrieve(file, matching, verify=True, compute=compute)
    query_parts, gallery_parts = (split.visibility[:, -len(file.parts) :] for split in (file.query, file.gallery))
    in_both = (query_parts[found.protocol.rows] & gallery_parts[found.protocol.columns]).sum(axis=1)
    apart = {"by_group": by_group(found.measures, file.query.key, read_groups(groups), str(groups))} if groups else {}
    return {
        "embeddings": found.names,
        "measures": found.measures.summary() | _single_shot_measures(found),
        "cmc": (found.single_shot or found.measures).cmc().tolist(),
        "by_visible_parts": _by_visible_parts(found.measures, query_parts.sum(axis=1)),
        "by_mutually_visible_parts": _by_mutually_visible_parts(found.precisions, in_both),
        "verification": found.roc.summary(),
        **_near(found, matching),
        "counts": _counts(file, found),
        **apart,
    }


def _near(found: Retrieval, matching: Matching) -> dict[str, dict | None]:
    """Calibration and reliability; None of reranked distances, which are those of a pair in one gallery only."""
    if matching.rerank is not None:
        return {"calibration": None, "reliability": None}
    return {"calibration": found.pair_counts.calibration(), "reliability": found.pair_counts.reliability()}


def _single_shot_measures(found: Retrieval) -> dict[str, float]:
    """Rank-k in galleries of one image an identity, in place of those in the whole one; mAP and mINP stay."""
    if found.single_shot is None:
        return {}
    curve = found.single_shot.cmc()
    return {f"rank-{rank}": float(curve[rank - 1]) for rank in CMC_RANKS}


def _by_visible_parts(measured: Measures, visible_parts: np.ndarray) -> list[dict]:
    """mAP and rank-1 of the queries that show 0, 1, … parts."""
    rows = []
    for parts in np.unique(visible_parts[measured.measured]):
        chosen = measured.measured & (visible_parts == parts)
        summary = measured.of(chosen).summary()
        rows.append(
            {"visible_parts": int(parts), "queries": int(chosen.sum())} | {k: summary[k] for k in ("mAP", "rank-1")}
        )
    return rows


def _by_mutually_visible_parts(precision: np.ndarray, parts: np.ndarray) -> list[dict]:
    """Mean precision at the ranks of the positives that show 0, 1, … parts in common with their query.

    These are the terms of AP, so that it tells which positives are found late.
    """
    return [
        {
            "visible_parts": int(count),
            "pairs": int((parts == count).sum()),
            "precision": precision[parts == count].mean(),
        }
        for count in np.unique(parts)
    ]


def _counts(file: Embeddings, found: Retrieval) -> dict[str, float]:
    query_identity, gallery_identity = file.query.identity, file.gallery.identity
    pairs = len(query_identity) * len(gallery_identity)
    unreadable = file.provenance.get("unreadable", {})  # images that the manifest lists and that could not be embedded
    compared = found.query_visible.sum(axis=0, dtype=np.int64) @ found.gallery_visible.sum(axis=0, dtype=np.int64)
    return {
        "queries": len(query_identity),
        "queries_without_positive": int((~found.measures.measured).sum()),
        "queries_unreadable": unreadable.get("query", 0),
        "query_identities": len(np.unique(query_identity)),
        "gallery": len(gallery_identity),
        "gallery_unreadable": unreadable.get("gallery", 0),
        "gallery_identities": len(np.unique(gallery_identity[gallery_identity > 0])),
        "distractors": int((gallery_identity <= 0).sum()),
        "pairs": pairs,
        "embeddings_compared_per_pair": float(compared / pairs),
        "pairs_with_nothing_in_common": found.apart,
        "positive_pairs": len(found.protocol.rows),
        "positive_pairs_with_nothing_in_common": found.apart_positives,
    }
