"""Errors that a user can fix."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # envs/build_backend.py reads imports where nothing is installed
    from pydantic import ValidationError

# Keys of earlier versions, and what they are called now.
RENAMED = {
    "training.identities": "ids_per_batch",
    "training.images": "images_per_id",
    "training.warmup_rate": "warmup_start_lr",
    "training.decay": "gamma",
    "after_bnneck": "use_bnneck_for",
    "also": "extra_matchings",
}


class UserError(Exception):
    """Bad input. The message is one line: the file, key or image, what is wrong with it, and what to do."""


def first_problem(error: "ValidationError") -> str:
    """The first problem of a wrong configuration on one line, a misspelt key before all others."""
    problems = error.errors()
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    steps = [str(step) for step in problem["loc"]]
    where = ".".join(step for step in steps if not step.startswith("<"))  # without tags of unions, which are no keys
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        now = next((name for earlier, name in RENAMED.items() if f".{where}".endswith(f".{earlier}")), None)
        message = f"is called {now} now; rename the key" if now else "unknown key"
    given = problem.get("input")
    if isinstance(given, str) and problem["type"] in ("float_type", "int_type"):
        message += f", but {given!r} is a string; YAML needs a decimal point before an exponent (3.0e-4)"
    if isinstance(given, int | float) and problem["type"] == "string_type":
        message += f", but {given!r} is a number (YAML needs quotes: '{given}')"
    return f"{where}: {message}" if where else message
