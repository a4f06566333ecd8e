"""Values that are missing in a table, by what programs write in their place."""

# What pandas reads as NaN (`pandas.read_csv`, na_values), R's NA and what str() makes of None among them.
MISSING = {
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
}  # fmt: skip


def is_missing(value: str) -> bool:
    """Whether a program writes this where it has no value."""
    return value in MISSING
