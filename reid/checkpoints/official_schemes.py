"""Part schemes of the released code under our names: which parts one of its checkpoints knows, in which order."""

import reprlib
from collections.abc import Mapping

from artefacts.errors import UserError
from reid.checkpoints.official import Released
from reid.checkpoints.official_settings import at

KEY = "model.bpbreid.masks.preprocess"  # of their settings
SAME = {  # schemes of theirs that have other names here, or the same name for the same maps in the same order
    "full": "one_released",
    "four_v": "four",
    "five": "five",
    "five_v": "five_v",
    "six_new": "six",
    "eight": "eight",
    "eight_v": "eight",
}


def our_scheme(theirs: str) -> str:
    """The name that a scheme of the released code has in schemes.yaml."""
    return SAME.get(theirs, f"{theirs}_released")


def part_names(released: Released, entry: str, chosen: str | None, schemes: Mapping[str, list[str]]) -> list[str]:
    """Names of the parts of a checkpoint, in the order that it numbers them.

    They are those of the scheme that its settings name or, if that is unknown, of `chosen`: models.`entry`.scheme.
    `schemes` are the part names of every scheme. Raises UserError, which says what to set, where neither has as many
    parts as the checkpoint knows, and where both have but are not the same.
    """
    theirs = at(released.settings, KEY)
    named = our_scheme(theirs) if isinstance(theirs, str) else None
    fitting = [name for name, parts in schemes.items() if len(parts) == released.parts]
    key = f"models.{entry}.scheme"
    if named in fitting:
        if chosen and schemes[chosen] != schemes[named]:
            raise UserError(f"its part scheme {theirs!r} is {named} here, but {key} is {chosen}; set it to {named}")
        return schemes[named]
    if chosen in fitting:
        return schemes[chosen]
    raise UserError(
        f"it tells {released.parts} parts apart, but {_reason(theirs, named, schemes)}; set {key} to the one that it "
        f"was trained with: {', '.join(fitting) or 'none'} (or another of as many parts, once it is added to schemes)"
    )


def _reason(theirs: object, named: str | None, schemes: Mapping[str, list[str]]) -> str:
    if theirs is None:
        return "does not say which"
    if named not in schemes:
        return f"its part scheme {reprlib.repr(theirs)} is not known here"
    return f"its part scheme {theirs!r} has {len(schemes[named])}"
