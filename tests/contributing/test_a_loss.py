import torch
from torch.nn import functional

from reid.losses.triplet import hardest, part_averaged_distances


def soft_part_triplet_loss(parts, identities):
    """Mean over anchors of ln(1 + exp(d_ap - d_an)), the margin-free form of Eq. 8, on part-averaged distances."""
    positive, negative, usable = hardest(part_averaged_distances(parts), identities)
    return functional.softplus(positive - negative).sum() / usable.sum().clamp_min(1)


def by_loops(parts, identities):
    terms = []
    for anchor, one in enumerate(parts):
        distances = [(one - other).norm(dim=1).mean() for other in parts]
        same = [distances[i] for i, who in enumerate(identities) if who == identities[anchor] and i != anchor]
        others = [distances[i] for i, who in enumerate(identities) if who != identities[anchor]]
        terms.append(torch.log1p(torch.exp(max(same) - min(others))))
    return torch.stack(terms).mean()


def test_a_loss_is_a_function_of_tensors_that_is_held_to_loops():
    parts = torch.randn(8, 5, 16, generator=torch.Generator().manual_seed(0))
    identities = torch.arange(4).repeat(2)
    torch.testing.assert_close(soft_part_triplet_loss(parts, identities), by_loops(parts, identities))
