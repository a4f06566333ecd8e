"""The model card of a pack: what the model is, what it was measured at, and what it must not be used for."""

from reid.checkpoints.pack_format import Pack
from reid.report.table_formats import markdown_table

SHOWN = {"rank-1": "R-1", "rank-5": "R-5", "mAP": "mAP", "mINP": "mINP"}
USE = """\
```python
from reid import load

model = load({folder!r})
seen = model.embed(["query.jpg", "gallery/1.jpg", "gallery/2.jpg"])
print(seen[:1].distances(seen[1:]))
```"""
NOT_FOR = """\
Not for watching people without their knowledge, for finding protesters or minorities, nor for deciding about a person
(arrest, entry, dismissal) by a ranking: a ranking always has a first place, also where the person is not in the
gallery. Search only among images of people who agreed to it, or whose images you may process under the law that
applies. Measure errors on your own people before relying on anything: distances, thresholds and probabilities are those
of the dataset above and do not carry over to other cameras."""


def model_card(pack: Pack, terms: str) -> str:
    """README.md of a pack, in Markdown; `terms` are those of the training data."""
    trained = pack.trained
    about = [
        ("architecture", f"BPBReID on {pack.backbone.name}, {pack.channels} channels an embedding"),
        ("input", f"{pack.preprocessing.size[0]} x {pack.preprocessing.size[1]} pixels (height x width), RGB"),
        ("parts", ", ".join(pack.parts)),
        ("compared", " + ".join(pack.matching.embeddings)),
        ("recipe", str(trained.get("recipe"))),
        ("trained on", str(trained.get("dataset"))),
        ("weights of seed", str(pack.seed)),
    ]
    sections = [
        f"# {pack.name}",
        "Person re-identification by body parts (BPBReID; Somers, De Vleeschouwer and Alahi, WACV 2023).",
        "\n".join(f"- {name}: {value}" for name, value in about),
        "## Use",
        USE.format(folder="PATH/OF/THIS/FOLDER"),
        "## Measured",
        f"On {trained.get('evaluated_on')}, in percent, mean of the seeds {', '.join(map(str, trained['seeds']))}:",
        markdown_table(list(SHOWN.values()), [[_percent(trained, name) for name in SHOWN]]),
        "## Terms of the data",
        terms,
        "## What it must not be used for",
        NOT_FOR,
        "## Provenance",
        f"Code `{pack.provenance.get('code')}`. `config.json` holds the versions of the libraries, and the digests of "
        "the files that it was made of.",
    ]
    return "\n\n".join(sections) + "\n"


def _percent(trained: dict, name: str) -> str:
    measure = trained.get("measures", {}).get(name)
    if measure is None:
        return "–"
    spread = "" if measure.get("spread") is None else f" ± {100 * measure['spread']:.1f}"
    return f"{100 * measure['mean']:.1f}{spread}"
