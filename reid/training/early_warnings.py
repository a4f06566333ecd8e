"""What the first epoch of a training says of how it will go: it is only shown, and changes no result."""

from collections.abc import Mapping

from reid.config.training import Loss
from reid.training.measures import MEASURES

OUTWEIGHED = 20  # times all other terms together
NO_TERMS = {"epoch", "learning_rate", "loss", *MEASURES}


def early_warnings(row: Mapping[str, float], loss: Loss) -> list[str]:
    """One line for each term of the loss that outweighs all others, or teaches nothing, in an epoch of the history.

    Each names the key of the configuration to change.
    """
    terms = {name: value for name, value in row.items() if name not in NO_TERMS}
    lines = []
    for name, value in terms.items():
        others = sum(terms.values()) - value
        if value == 0:
            lines.append(f"the {name} loss was 0 in all of epoch {row['epoch']}, so it teaches nothing: {_idle(name)}")
        elif value > OUTWEIGHED * others > 0:
            said = f"the {name} loss ({value:.4g}) is {value / others:.0f} times all others together ({others:.3g})"
            lines.append(f"{said} in epoch {row['epoch']}, so nothing else is learnt: {_lighter(name, loss)}")
    return lines


def _idle(term: str) -> str:
    kind, _, embedding = term.partition("_")
    return {
        "attention": "no training image has a labelled cell; look at the part labels, or set "
        "models.*.loss.attention_weight to 0.0",
        "identity": f"are there two identities to tell apart? Else take {embedding} out of models.*.loss.identity",
        "triplet": f"raise models.*.loss.margin, or take {embedding} out of models.*.loss.triplet",
    }[kind]


def _lighter(term: str, loss: Loss) -> str:
    kind, _, embedding = term.partition("_")
    form = ", or set models.*.loss.attention_form to mean" if loss.attention_form == "sum" else ""
    return {
        "attention": f"lower models.*.loss.attention_weight ({loss.attention_weight}){form}",
        "identity": f"lower models.*.training.learning_rate, or take {embedding} out of models.*.loss.identity",
        "triplet": f"lower models.*.loss.triplet_weights.{embedding} ({loss.triplet_weights.get(embedding, 1.0)})",
    }[kind]
