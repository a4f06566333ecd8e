"""What a domain's cameras do to an image, pixel by pixel in loops, and how far apart images and cameras are."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from reid.config.domain import Domain
from reid.synthetic.photograph import CameraLook, add_noise, draw_look, expose, motion_blur, photograph, reduce

HEIGHT, WIDTH = 48, 20
EVEN = CameraLook(np.ones(3, np.float32), 0.0)


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


def flat(level: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Image.Image:
    return Image.fromarray(np.full((*size, 3), level, np.uint8))


def pixels_of(image: Image.Image) -> np.ndarray:
    return np.asarray(image, int)


def taken(image: Image.Image, count: int, look: CameraLook = EVEN, **keys) -> list[Image.Image]:
    """So many photographs of the image by one camera of the domain."""
    rng = np.random.default_rng(1)
    return [photograph(image, Domain(**keys), look, rng) for _ in range(count)]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_each_channel_has_its_gain_and_stops_double_the_light(image):
    gains, stops = (1.2, 1.0, 0.7), 0.5
    found = pixels_of(expose(image, np.array(gains, np.float32), stops))
    for (row, column, channel), value in np.ndenumerate(pixels_of(image)):
        assert abs(found[row, column, channel] - min(255, value * gains[channel] * 2**stops)) <= 1


def test_casts_and_exposure_of_cameras_keep_to_their_range():
    rng = np.random.default_rng(0)
    looks = [draw_look(Domain(casts=0.2, exposure=0.9), rng) for _ in range(400)]
    gains, stops = np.stack([look.gains for look in looks]), np.array([look.stops for look in looks])
    np.testing.assert_allclose(gains.min(0), 0.8, atol=0.01)
    np.testing.assert_allclose(gains.max(0), 1.2, atol=0.01)
    assert np.abs(np.corrcoef(gains.T) - np.eye(3)).max() < 0.2  # each channel for itself
    np.testing.assert_allclose((stops.min(), stops.max()), (-0.9, 0.9), atol=0.02)


def test_photographs_of_one_camera_share_its_cast_and_are_within_a_third_of_its_exposure():
    look = CameraLook(np.array([1.3, 1.0, 0.8], np.float32), 0.6)
    lights = np.stack([pixels_of(one)[0, 0] for one in taken(flat(40), 200, look, exposure=0.9)]) / 40
    np.testing.assert_allclose(lights[:, 0] / lights[:, 1], 1.3, atol=0.06)
    np.testing.assert_allclose(lights[:, 2] / lights[:, 1], 0.8, atol=0.04)
    stops = np.log2(lights[:, 1])
    np.testing.assert_allclose((stops.min(), stops.max()), (0.6 - 0.3, 0.6 + 0.3), atol=0.05)


@pytest.mark.parametrize(("length", "angle"), [(5.0, 0.0), (6.4, 0.5), (4.0, -0.4), (7.0, math.pi / 2)])
def test_motion_blur_is_the_mean_along_its_line(image, length, angle):
    steps, before, found = math.ceil(length), pixels_of(image), pixels_of(motion_blur(image, length, angle))
    for row in range(HEIGHT):
        for column in range(WIDTH):
            total = np.zeros(3)
            for step in range(steps):
                along = -length / 2 + length * step / (steps - 1)
                y, x = row + round(along * math.sin(angle)), column + round(along * math.cos(angle))
                total += before[min(max(y, 0), HEIGHT - 1), min(max(x, 0), WIDTH - 1)]
            assert np.abs(found[row, column] - total / steps).max() <= 1


def test_motion_blur_is_rather_along_the_ground_and_no_longer_than_its_share():
    point = np.zeros((HEIGHT * 2, HEIGHT * 2, 3), np.uint8)
    point[HEIGHT, HEIGHT] = 255
    blurred = [np.argwhere(pixels_of(one)[..., 0]) for one in taken(Image.fromarray(point), 200, motion_blur=0.25)]
    high, wide = (np.array([np.ptp(cells[:, axis]) for cells in blurred]) for axis in (0, 1))
    longest = 0.25 * 2 * HEIGHT
    assert 0.85 * longest <= wide.max() <= longest + 1
    assert (wide <= longest / 4 + 1).mean() == pytest.approx(0.5, abs=0.1)
    assert wide.mean() > 2 * high.mean()


@pytest.mark.parametrize("factor", [2, 4])
def test_reduced_pixels_are_the_means_of_those_that_they_cover(image, factor):
    before, found = pixels_of(image), pixels_of(reduce(image, HEIGHT // factor))
    assert found.shape == (HEIGHT // factor, WIDTH // factor, 3)
    for row, column in np.ndindex(found.shape[:2]):
        block = before[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        assert np.abs(found[row, column] - block.mean((0, 1))).max() <= 1
    assert reduce(image, HEIGHT + 1) is image


def cubic(distance: float) -> float:
    """Keys' kernel of -1/2 (Cubic Convolution Interpolation, 1981), which Pillow has."""
    x = abs(distance)
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x < 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def enlarged(values: np.ndarray, length: int) -> np.ndarray:
    """`values` [N, …] at `length` places, cubic between their centres, without what lies outside."""
    ratio, result = len(values) / length, np.empty((length, *values.shape[1:]))
    for place in range(length):
        weights = np.array([cubic((place + 0.5) * ratio - (cell + 0.5)) for cell in range(len(values))])
        result[place] = np.tensordot(weights / weights.sum(), values, 1).clip(0, 255)
    return result


def test_photographs_are_reduced_to_heights_of_the_range_and_enlarged_again(image):
    expected = {}
    for height in (17, 18, 19):
        rows = enlarged(pixels_of(reduce(image, height)), HEIGHT)
        expected[height] = enlarged(rows.swapaxes(0, 1), WIDTH).swapaxes(0, 1)
    found = []
    for one in taken(image, 30, resolution=(17, 19)):
        off = {height: np.abs(pixels_of(one) - values).max() for height, values in expected.items()}
        found.append(min(off, key=off.get))
        assert off[found[-1]] <= 2
    assert set(found) == set(expected)


def test_noise_has_its_deviation_and_half_of_it_is_the_same_in_all_channels():
    noise = pixels_of(add_noise(flat(128, (200, 200)), 12, np.random.default_rng(0))).reshape(-1, 3) - 127.5
    np.testing.assert_allclose(np.cov(noise.T) / 12**2, [[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]], atol=0.03)
    assert np.abs(noise.mean(0)).max() < 0.3


def test_noise_of_photographs_is_a_fifth_of_the_key_to_all_of_it():
    deviations = [pixels_of(one).std() for one in taken(flat(128, (40, 40)), 200, sensor_noise=10)]
    np.testing.assert_allclose((min(deviations), max(deviations)), (2, 10), atol=0.4)
    assert np.mean(deviations) == pytest.approx(6, abs=0.4)


def test_noise_is_of_the_low_resolution():
    def alike(**keys) -> float:
        (one,) = taken(flat(128, (64, 64)), 1, sensor_noise=30, **keys)
        cells = pixels_of(one)[..., 0]
        return float(np.corrcoef(cells[:, :-1].ravel(), cells[:, 1:].ravel())[0, 1])

    assert abs(alike()) < 0.1
    assert alike(resolution=(16, 16)) > 0.8


def test_photographs_are_jpegs_of_qualities_of_the_range_at_the_low_resolution(image):
    def small(quality: int) -> Image.Image:
        return jpeg(reduce(image, 24), quality).resize(image.size, Image.Resampling.BICUBIC)

    for keys, as_quality in (({}, lambda quality: jpeg(image, quality)), ({"resolution": (24, 24)}, small)):
        expected = {as_quality(quality).tobytes(): quality for quality in (20, 21, 22, 23)}
        assert {expected.get(one.tobytes()) for one in taken(image, 40, jpeg=(20, 23), **keys)} == {20, 21, 22, 23}
