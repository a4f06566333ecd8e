"""From distances to the probability of the same person, as calibrated when the model was evaluated."""

from typing import get_args

import numpy as np

from artefacts.errors import UserError
from reid.checkpoints.pack_format import Calibration, Pack, Rate

RATES = get_args(Rate)


def probabilities(calibration: Calibration, distances: np.ndarray) -> np.ndarray:
    """Probability of the same person for each distance, linear between the calibration's knots.

    NaN at infinity: nothing was compared, which tells nothing.
    """
    likely = np.interp(distances, calibration.distances, calibration.probabilities)
    return np.where(np.isinf(distances), np.nan, likely)


def at_prior(likely: np.ndarray, prior: float) -> np.ndarray:
    """Calibrated probabilities, where the same person is as likely as `prior` (0..1) before anything is compared."""
    return likely * prior / (likely * prior + (1 - likely) * (1 - prior))


def threshold(pack: Pack, rate: str) -> float:
    """The largest distance at a false match rate, one of RATES. Raises UserError if the pack does not know it."""
    if pack.calibration is None:
        raise UserError(
            f"{pack.name}: has no threshold at a false match rate of {rate}, since it is not calibrated for this "
            "matching; leave out the rate, or make the pack again of an evaluated run"
        )
    known = {name: distance for name, distance in pack.calibration.thresholds.items() if distance is not None}
    if rate not in known:
        raise UserError(
            f"{pack.name}: has no threshold at a false match rate of {rate}; {pack.calibration.dataset} has too few "
            f"pairs of people to tell; it has those at {', '.join(known) or 'none'}"
        )
    return known[rate]


def false_match_rate(calibration: Calibration, distance: float) -> str | None:
    """The lowest of the known false match rates whose threshold a distance keeps to; None above all of them."""
    kept = [rate for rate, limit in calibration.thresholds.items() if limit is not None and distance <= limit]
    return min(kept, key=float, default=None)
