"""Where the workflow may download weights from. Part of `reid.config`."""

import re
from typing import Annotated

from pydantic import AfterValidator

NAMED_BY_DIGEST = re.compile(r"https?://[^\s?#]+-([0-9a-f]{8,64})\.[a-z0-9]+")  # torch.hub's convention


def digits_of(url: str) -> str:
    """The first digits of the SHA-256 of the file at an address, which stand at the end of its name.

    Raises ValueError where they do not.
    """
    found = NAMED_BY_DIGEST.fullmatch(url)
    if found is None:
        raise ValueError(
            f"{url!r} must be an address whose file name ends in the first digits of its SHA-256, as torch.hub's do: "
            "https://…/name-1a2b3c4d.pth"
        )
    return found[1]


def _checked(url: str) -> str:
    digits_of(url)
    return url


Address = Annotated[str, AfterValidator(_checked)]
