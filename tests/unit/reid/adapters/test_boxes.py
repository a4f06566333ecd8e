"""People are cut out of frames by boxes of any kind."""

import numpy as np
import pytest

from reid.adapters.boxes import cropped

FRAME = np.arange(4 * 6).reshape(4, 6)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((1, 1, 3, 4), (1, 4), (1, 3)),
        ((1.2, 0.9, 2.1, 2.5), (0, 3), (1, 3)),
        ((-5, -5, 2, 2), (0, 2), (0, 2)),
        ((4, 2, 90, 90), (2, 4), (4, 6)),
        ((2, 2, 2, 2), (2, 3), (2, 3)),
        ((8, -9, 9, -5), (0, 1), (5, 6)),
        ((3, 3, 1, 1), (3, 4), (3, 4)),
    ],
    ids=["inside", "between pixels", "over the corner", "over the other", "empty", "outside", "reversed"],
)
def test_a_crop_is_what_the_box_touches(box, rows, columns):
    np.testing.assert_array_equal(cropped(FRAME, box), FRAME[slice(*rows), slice(*columns)])
