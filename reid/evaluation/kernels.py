"""The inner loops of the evaluation, compiled once and cached next to this file; they run without Python's lock."""

import numpy as np
from numba import njit

ROUNDING = np.float32(2**-20)  # of a mean of distances, as a share of it
INFINITE = np.int32(0x7F800000)  # bits of a float32; those of numbers that are not negative are in their order


@njit(cache=True, nogil=True)
def add_distances(products, row, column, error, total, slack):
    """Add one embedding's distances, weighted, between the images of two `Side`s to `total` [R, B].

    `products` [n, m] are scalar products of the features, off by `error` at most, as a share of the two squared norms;
    they are overwritten. `slack` [R] becomes how far off this makes a distance of each row at most.
    """
    most, count = column.squares.max(), len(row.images)
    lines = np.empty((4, len(column.images)), np.float32)  # stay in the nearest cache
    for i in range(count):
        line, product, square, weight, least = lines[i % 4], products[i], row.squares[i], row.weights[i], INFINITE
        for j in range(len(line)):
            squared = max(square + column.squares[j] - product[j] - product[j], np.float32(0))
            least = min(least, np.float32(squared).view(np.int32))
            line[j] = np.sqrt(squared) * (weight * column.weights[j])
        off, nearest = error * (square + most), np.int32(least).view(np.float32)
        bound = np.sqrt(off) if nearest <= off else off / np.sqrt(nearest)
        slack[row.images[i]] = max(slack[row.images[i]], bound)
        if i % 4 == 3:
            a, b, c, d = row.images[i - 3], row.images[i - 2], row.images[i - 1], row.images[i]
            _add_four(lines, column.images, total[a], total[b], total[c], total[d])
    for i in range(count - count % 4, count):
        line, target = lines[i % 4], total[row.images[i]]
        for j in range(len(line)):
            target[column.images[j]] += line[j]


@njit(nogil=True)
def _add_four(lines, columns, first, second, third, fourth):
    """Add four `lines` [4, m] to as many rows, at these `columns` [m], which are read once for all."""
    for j in range(len(columns)):
        column = columns[j]
        first[column] += lines[0, j]
        second[column] += lines[1, j]
        third[column] += lines[2, j]
        fourth[column] += lines[3, j]


@njit(nogil=True)
def _largest(line):
    """The largest number of a line that is not infinite; zero if all are. None is negative."""
    bits, largest = line.view(np.int32), np.int32(0)
    for j in range(len(bits)):
        largest = max(largest, bits[j] if bits[j] < INFINITE else np.int32(0))
    return np.int32(largest).view(np.float32)


@njit(cache=True, nogil=True)
def largest_finite(distances):
    """The largest of each row of `distances` [R, B] that is not infinite; zero if all are."""
    largest = np.zeros(len(distances), np.float32)
    for i in range(len(distances)):
        largest[i] = _largest(distances[i])
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def average(total, row_weights, column_weights, slack):
    """Divide `total` [R, B] by the weight of what is visible in both images, in place; infinite where nothing is.

    `row_weights` [R, P] and `column_weights` [P, B] are visibility scores. Rounding joins `slack` [R]. Returns how many
    distances are infinite, and the largest other.
    """
    apart, largest = 0, np.float32(0)
    common = np.empty(total.shape[1], np.float32)
    for i in range(total.shape[0]):
        line = total[i]
        common[:] = 0
        for embedding in range(row_weights.shape[1]):
            weight = row_weights[i, embedding]
            if weight > 0:
                for j in range(len(common)):
                    common[j] += weight * column_weights[embedding, j]
        none = np.int32(0)
        for j in range(len(common)):
            none += np.int32(common[j] == 0)
        for j in range(len(common)):
            line[j] = (line[j] + np.float32(common[j] == 0)) / common[j]
        most = _largest(line)
        slack[i] += ROUNDING * most
        apart, largest = apart + none, max(largest, most)
    return apart, largest


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def add_measured(row, column, rows, columns, total, common):
    """Add to `total` [n] the weighted distances of the pairs of images `rows[i]` and `columns[i]`, weights to `common`.

    The root of the squared differences' sum, in the same order for any pair: copies of an image are equally far.
    """
    for pair in range(len(rows)):
        first, second = _place(row.images, rows[pair]), _place(column.images, columns[pair])
        if first >= 0 and second >= 0:
            one, other, squared = row.features[first], column.features[second], np.float32(0)
            for channel in range(len(one)):
                squared += (one[channel] - other[channel]) * (one[channel] - other[channel])
            weight = row.weights[first] * column.weights[second]
            total[pair] += weight * np.sqrt(squared)
            common[pair] += weight


@njit(nogil=True)
def _place(images, image):
    """Where `image` is in the rising `images` [n]; -1 if it is not."""
    place = np.searchsorted(images, image)
    return place if place < len(images) and images[place] == image else -1


@njit(cache=True, nogil=True)
def undecided(distances, slack, offsets, thresholds, nearest_distances):
    """Rows and columns [n] of the `distances` [R, B] that decide a rank, and are known within `slack` [R] alone.

    They may be on either side of a threshold of their row (those of row i are `offsets[i]` to `offsets[i + 1]`), or
    among the k nearest so far, at `nearest_distances` [R, k], NaN where places are free.
    """
    marked, counts = np.zeros(distances.shape, np.bool_), np.zeros(len(distances), np.int64)
    for i in range(len(distances)):
        line, off, marks = distances[i], slack[i], marked[i]
        for place in range(offsets[i], offsets[i + 1]):
            threshold, close = thresholds[place], np.int32(0)
            for j in range(len(line)):
                close = np.int32(close + np.int32(abs(line[j] - threshold) <= off))
            if close:
                counts[i] += _mark(line, threshold - off, threshold + off, marks)
        if nearest_distances.shape[1]:
            counts[i] += _mark(line, -np.float32(np.inf), _bound(line, nearest_distances[i]) + 2 * off, marks)
    rows, columns = np.empty(counts.sum(), np.int64), np.empty(counts.sum(), np.int64)
    place = 0
    for i in np.flatnonzero(counts):
        for j in np.flatnonzero(marked[i]):
            rows[place], columns[place] = i, j
            place += 1
    return rows, columns


@njit(nogil=True)
def _mark(line, low, high, marks):
    """Mark what lies between `low` and `high`, and return how many were not marked."""
    added = 0
    for j in range(len(line)):
        if low <= line[j] <= high and not marks[j]:
            marks[j] = True
            added += 1
    return added


@njit(nogil=True)
def _bound(line, kept):
    """How far the k-th nearest image is at most: of those `kept` [k], or of a line, where places are free."""
    keep = len(kept)
    if not np.isnan(kept[keep - 1]):
        return kept[keep - 1]
    bound = np.partition(line, keep - 1)[keep - 1] if len(line) >= keep else np.float32(np.inf)
    return np.float32(np.inf) if np.isnan(bound) else bound


@njit(cache=True, nogil=True)
def count_nearer(distances, first_column, offsets, columns, thresholds, nearer):
    """Add to `nearer` [M] how many distances of a block are ahead of each positive in a stable sort.

    `distances` [R, B] are those of the gallery images from `first_column` on; NaN is nowhere. Positives of row i are
    `offsets[i]` to `offsets[i + 1]`, with their gallery image in `columns` and their distance in `thresholds`. Ahead is
    what is nearer, or as near and earlier in the gallery.
    """
    for query in range(len(offsets) - 1):
        line = distances[query]
        for positive in range(offsets[query], offsets[query + 1]):
            own = min(max(columns[positive] - first_column, -1), len(line))
            threshold = thresholds[positive]
            nearer[positive] += _not_above(line[: max(own, 0)], threshold) + _below(line[own + 1 :], threshold)


@njit(cache=True, nogil=True)
def _not_above(line, threshold):
    count = np.int32(0)  # as wide as the distances, so that eight are compared at a time
    for j in range(len(line)):
        count = np.int32(count + np.int32(line[j] <= threshold))
    return count


@njit(cache=True, nogil=True)
def _below(line, threshold):
    count = np.int32(0)
    for j in range(len(line)):
        count = np.int32(count + np.int32(line[j] < threshold))
    return count


@njit(cache=True, nogil=True)
def keep_nearest(distances, first_column, nearest, nearest_distances):
    """Merge `distances` [R, B] into the k nearest images so far, both [R, k], in the order of a stable sort.

    Free places hold image -1 at a NaN distance. NaN distances are passed over. Blocks may come in any order.
    """
    keep = nearest.shape[1]
    for row in range(len(nearest)):
        images, kept = nearest[row], nearest_distances[row]
        for j in range(distances.shape[1]):
            image, distance = first_column + j, distances[row, j]
            if np.isnan(distance) or not _ahead(image, distance, images[keep - 1], kept[keep - 1]):
                continue
            place = keep - 1
            while place > 0 and _ahead(image, distance, images[place - 1], kept[place - 1]):
                images[place], kept[place] = images[place - 1], kept[place - 1]
                place -= 1
            images[place], kept[place] = image, distance


@njit(nogil=True)
def _ahead(image, distance, other, kept):
    """Whether an image is ahead of another that is kept at a distance, or of a free place."""
    return other < 0 or distance < kept or (distance == kept and image < other)


@njit(nogil=True)
def _cell(distance, low, scale, cells):
    """Cell of a table in which a distance falls: it never falls as distances rise."""
    return min(max(np.int64((distance - low) * scale), 0), cells - 1)


@njit(cache=True, nogil=True)
def first_thresholds(thresholds, low, scale, cells):
    """First of the rising `thresholds` [T] in each cell [cells] or after it; the last, where there is none."""
    first = np.full(cells, len(thresholds) - 1)
    for place in range(len(thresholds) - 1, -1, -1):
        if thresholds[place] < np.inf:
            first[_cell(thresholds[place], low, scale, cells)] = place
    for cell in range(cells - 2, -1, -1):
        first[cell] = min(first[cell], first[cell + 1])
    return first


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def count_cells(distances, row_halves, column_halves, top, scale, counts):
    """Add `distances` [R, B] to `counts` [3, C + 1] by cell, in the last what is beyond `top`; NaN is nowhere.

    Lines are pairs within half 0 and within half 1 of the identities, and across; halves are [R] and [B].
    """
    cells = counts.shape[1] - 1
    for i in range(len(distances)):
        for j in range(distances.shape[1]):
            distance = distances[i, j]
            if np.isnan(distance):
                continue
            line = row_halves[i] if row_halves[i] == column_halves[j] else 2
            cell = min(np.int64(np.float64(distance) * scale), cells - 1) if distance <= top else cells
            counts[line, cell] += 1
