"""Configuration files that are no YAML, by file and line. Snakemake, which reads them, names neither."""

from pathlib import Path

import yaml

from artefacts.errors import UserError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times faster


def check_yaml(path: Path) -> None:
    """Raises UserError if a file is no YAML, has no keys at its top, or one key twice. One that is absent passes."""
    try:
        with open(path, encoding="utf-8") as file:
            root = yaml.compose(file, LOADER)
    except FileNotFoundError:
        return
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(
            f"{path}: line {mark.line + 1}: is no YAML: {error.problem}; fix this line or one above"
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as YAML ({reason}); save it as text in UTF-8") from None
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{path}: has no keys at its top, such as `datasets:`; write some, or restore the file")
    _check_keys(path, root)


def _check_keys(path: Path, root: yaml.Node) -> None:
    """YAML takes the last of two equal keys: a second `datasets:` would silently remove all others."""
    ahead, seen = [root], set()
    while ahead:
        node = ahead.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))  # an alias may lead back
        if isinstance(node, yaml.SequenceNode):
            ahead += node.value
            continue
        places: dict[tuple[str, str], yaml.Mark] = {}
        for key, value in node.value:
            ahead.append(value)
            if isinstance(key, yaml.ScalarNode):
                first = places.setdefault((key.tag, key.value), key.start_mark)
                if first is not key.start_mark:
                    line, before = key.start_mark.line + 1, first.line + 1
                    raise UserError(f"{path}: line {line}: has {key.value!r} as line {before} has; keep one")
