"""From distances to the probability of the same person, as calibrated when the model was evaluated."""

import numpy as np

from reid.checkpoints.pack_format import Calibration


def probabilities(calibration: Calibration, distances: np.ndarray) -> np.ndarray:
    """Probability of the same person for each distance, linear between the calibration's knots; 0 at infinity."""
    likely = np.interp(distances, calibration.distances, calibration.probabilities)
    return np.where(np.isinf(distances), 0.0, likely)


def at_prior(likely: np.ndarray, prior: float) -> np.ndarray:
    """Calibrated probabilities, where the same person is as likely as `prior` (0..1) before anything is compared."""
    return likely * prior / (likely * prior + (1 - likely) * (1 - prior))
