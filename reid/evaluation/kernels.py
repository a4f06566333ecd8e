"""The inner loops of the evaluation, compiled once and cached beside this file."""

import numpy as np
from numba import njit


@njit(cache=True)
def add_distances(products, rows, columns, row_squares, column_squares, total):
    """Add the Euclidean distances of an embedding to `total` [Q, B], at its visible `rows` [n] and `columns` [m].

    `products` [n, m] are the scalar products of the features and are overwritten; squared norms are [n] and [m].
    """
    for i in range(len(rows)):
        line, row_square = products[i], row_squares[i]
        for j in range(len(columns)):
            line[j] = np.sqrt(max(row_square + column_squares[j] - line[j] - line[j], np.float32(0)))
        target = total[rows[i]]
        for j in range(len(columns)):
            target[columns[j]] += line[j]


@njit(cache=True, error_model="numpy")
def average(total, row_visible, column_visible):
    """Divide `total` [Q, B] by how many embeddings are visible in both images, in place; returns how often none is.

    `row_visible` [Q, P] and `column_visible` [P, B] are visibility scores. Where there is nothing in common, total is
    zero and becomes infinite.
    """
    apart = 0
    common = np.empty(total.shape[1], np.uint8)
    for i in range(total.shape[0]):
        line, seen = total[i], row_visible[i]
        common[:] = 0
        for embedding in range(len(seen)):
            if seen[embedding]:
                common += column_visible[embedding]
        none = 0
        for j in range(len(common)):
            none += common[j] == 0
        for j in range(len(common)):
            line[j] = (line[j] + np.float32(common[j] == 0)) / np.float32(common[j])
        apart += none
    return apart


@njit(cache=True)
def largest_finite(distances):
    """The largest of each row of `distances` [Q, B] that is not infinite; zero if all are."""
    largest = np.zeros(len(distances), np.float32)
    for i in range(distances.shape[0]):
        for j in range(distances.shape[1]):
            if largest[i] < distances[i, j] < np.inf:
                largest[i] = distances[i, j]
    return largest


@njit(cache=True, fastmath={"reassoc", "contract"})
def add_pair_distances(query, gallery, query_squares, gallery_squares, first, second, total):
    """Add to `total` [M] the distance between rows `first[i]` of `query` and `second[i]` of `gallery`; -1 adds none.

    By scalar products, as in `add_distances`, so that a pair's distance differs from it by rounding alone.
    """
    for pair in range(len(total)):
        if first[pair] >= 0 and second[pair] >= 0:
            one, other = query[first[pair]], gallery[second[pair]]
            product = np.float32(0)
            for channel in range(len(one)):
                product += one[channel] * other[channel]
            squared = query_squares[first[pair]] + gallery_squares[second[pair]] - product - product
            total[pair] += np.sqrt(max(squared, np.float32(0)))


@njit(cache=True)
def count_nearer(distances, first_column, offsets, columns, thresholds, nearer):
    """Add to `nearer` [M] how many distances of a block are ahead of each positive in a stable sort.

    `distances` [Q, B] are those of the gallery images from `first_column` on; NaN is nowhere. Positives of query q are
    `offsets[q]` to `offsets[q + 1]`, with their gallery image in `columns` and their distance in `thresholds`. Ahead is
    what is nearer, or as near and earlier in the gallery.
    """
    for query in range(len(offsets) - 1):
        line = distances[query]
        for positive in range(offsets[query], offsets[query + 1]):
            own = min(max(columns[positive] - first_column, -1), len(line))
            threshold = thresholds[positive]
            nearer[positive] += _not_above(line[: max(own, 0)], threshold) + _below(line[own + 1 :], threshold)


@njit(cache=True)
def _not_above(line, threshold):
    count = np.int32(0)  # as wide as the distances, so that eight are compared at a time
    for j in range(len(line)):
        count = np.int32(count + np.int32(line[j] <= threshold))
    return count


@njit(cache=True)
def _below(line, threshold):
    count = np.int32(0)
    for j in range(len(line)):
        count = np.int32(count + np.int32(line[j] < threshold))
    return count


@njit(cache=True)
def keep_nearest(distances, first_column, nearest, nearest_distances):
    """Merge a block of `distances` [Q, B] into the k nearest images so far, both [Q, k], in the order of a stable sort.

    Free places hold image -1 at a NaN distance. NaN distances of the block are passed over.
    """
    keep = nearest.shape[1]
    for query in range(len(nearest)):
        images, kept = nearest[query], nearest_distances[query]
        for j in range(distances.shape[1]):
            distance = distances[query, j]
            if np.isnan(distance) or (images[keep - 1] >= 0 and not distance < kept[keep - 1]):
                continue
            place = keep - 1
            while place > 0 and (images[place - 1] < 0 or distance < kept[place - 1]):
                images[place], kept[place] = images[place - 1], kept[place - 1]
                place -= 1
            images[place], kept[place] = first_column + j, distance


@njit
def _cell(distance, low, scale, cells):
    """Cell of a table in which a distance falls: it never falls as distances rise."""
    return min(max(np.int64((distance - low) * scale), 0), cells - 1)


@njit(cache=True)
def first_thresholds(thresholds, low, scale, cells):
    """First of the rising `thresholds` [T] in each cell [cells] or after it; the last, where there is none."""
    first = np.full(cells, len(thresholds) - 1)
    for place in range(len(thresholds) - 1, -1, -1):
        if thresholds[place] < np.inf:
            first[_cell(thresholds[place], low, scale, cells)] = place
    for cell in range(cells - 2, -1, -1):
        first[cell] = min(first[cell], first[cell + 1])
    return first


@njit(cache=True)
def count_up_to(distances, thresholds, first, low, scale, counts):
    """Add to `counts` [T + 1] how many of `distances` [Q, B] each threshold is the first not below; NaN is nowhere."""
    last = len(thresholds) - 1
    for i in range(distances.shape[0]):
        for j in range(distances.shape[1]):
            distance = distances[i, j]
            if np.isnan(distance):
                continue
            place = last + (distance > thresholds[last])
            if distance < thresholds[last]:
                place = first[_cell(distance, low, scale, len(first))]
                while thresholds[place] < distance:
                    place += 1
            counts[place] += 1


@njit(cache=True)
def count_drawn(
    distances, first_column, starts, galleries, query_identity, gallery_identity, columns, thresholds, ahead
):
    """Add to `ahead` [Q, R] how many images of R galleries come before the positive sought in each, in a stable sort.

    `distances` [Q, B] are those of the images from `first_column` on; image i lies in `galleries` from `starts[i]` to
    `starts[i + 1]`. The positive is image `columns` [Q, R] at distance `thresholds` [Q, R]; no other of its identity
    counts.
    """
    for query in range(len(distances)):
        for j in range(distances.shape[1]):
            image, distance = first_column + j, distances[query, j]
            if gallery_identity[image] == query_identity[query] > 0:
                continue
            for place in range(starts[image], starts[image + 1]):
                gallery = galleries[place]
                threshold = thresholds[query, gallery]
                ahead[query, gallery] += distance < threshold or (
                    distance == threshold and image < columns[query, gallery]
                )
