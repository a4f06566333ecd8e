"""Terms of the data that a model was trained and measured on, as its model card says them (docs/datasets.md)."""

import re
from pathlib import Path

from reid.config.dataset import Dataset

RENDERED = "The people are rendered by this project's own code: no terms."
UNKNOWN = "under the terms of its owners."
BOUND = (
    "They bind whoever uses or passes on the weights, too. See docs/datasets.md of the project, and the dataset's own "
    "page."
)
DUKE = (
    "images of DukeMTMC, which its authors withdrew in 2019 over how it was collected and spread. While it was public, "
    "it was for academic research only. Whether a copy, or weights made of one, may and should be used is for you and "
    "your institution to decide; pass neither on."
)
# What the name of an entry, its reader or its folder has in it, letters and digits alone; the first that is found.
TERMS = {
    "duke": DUKE,
    "market1501": "Market-1501, for research only; not to be distributed or used commercially.",
    "msmt17": "MSMT17, for research only, under an agreement with its authors.",
    "cuhk03": "CUHK03, for research only.",
    "posetrack": "cut out of PoseTrack21, under its terms; for research only.",
    "occludedreid": "Occluded-ReID, for academic or educational use, not commercial.",
    "partialreid": "Partial-REID, whose terms were not found; take it to be for research only.",
}


def terms_of(used: dict[str, tuple[str, Dataset]]) -> str:
    """In Markdown, the terms of datasets, by the names of their entries; each with what it is used for."""
    if all(entry.synthetic for _, entry in used.values()):
        return RENDERED
    lines = [f"- `{name}` ({purpose}): {_terms(name, entry)}" for name, (purpose, entry) in used.items()]
    return "\n".join([*lines, "", BOUND])


def _terms(name: str, entry: Dataset) -> str:
    if entry.synthetic:
        return "rendered by this project's own code, no terms."
    # Reader market1501 reads any dataset of that layout. Above its folder's parent, a path says nothing of a dataset.
    reader = "" if entry.reader == "market1501" else entry.reader
    words = [re.sub("[^a-z0-9]", "", one.lower()) for one in (name, reader, *Path(entry.root).parts[-2:])]
    return next((terms for key, terms in TERMS.items() if any(key in word for word in words)), UNKNOWN)
