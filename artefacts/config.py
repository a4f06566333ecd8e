"""What all configuration types are made of: the strict section, and the numbers that occur in it."""

from collections.abc import Collection
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[tuple[Count, Count], "height, width in pixels"]
Embedding = Literal["global", "foreground", "concatenated", "parts"]
EMBEDDINGS = get_args(Embedding)  # names that no part can have


class Strict(BaseModel):
    """Frozen and strict. Read it with `model_validate_json`, which takes lists for tuples.

    A key that it does not know is an error, and so is a string where a number should be (YAML reads `3e-4` as one).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StageConfig(Strict):
    """What one stage is told, its `--config`: what it reads of the configuration, and no more, since it reruns by that.

    Each has a classmethod `of(config, …)`, whose further parameters are the wildcards of the stage's rule that decide.
    """


class Section(Strict):
    """A part of the configuration."""

    @classmethod
    def of(cls, entry: "Section") -> Self:
        """The keys of `entry` that this section knows: all that a stage is told which reads no others."""
        return cls.model_validate_json(entry.model_dump_json(include=set(cls.model_fields)))


def named_once(values: list) -> list:
    """The values of a list that may neither be empty nor name anything twice. Raises ValueError if it does."""
    if not values:
        raise ValueError("is empty; name at least one")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is named twice; name it once")
    return values


def must_be_one_of(key: str, name: str | None, entries: Collection[str]) -> None:
    """Raises ValueError, which names the `key` of the configuration, unless `name` is among the entries."""
    if name not in entries:
        raise ValueError(f"{key}: {name!r} is not one of {', '.join(entries) or 'none'}")


def overlaid(base: dict, over: dict) -> dict:
    """The entry `base` with the keys of `over` laid over it, section by section.

    As snakemake.utils.update_config, of which stages have none in their environments; `base` stays as it is.
    """
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged
