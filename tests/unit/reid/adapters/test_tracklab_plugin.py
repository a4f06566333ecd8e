"""What TrackLab finds of this project names a class that is there, with the values that it takes; without TrackLab."""

import ast
import tomllib
from importlib import import_module
from importlib.resources import files

import yaml

from tests.conftest import PROJECT


def test_its_configuration_fits_the_class():
    plugins = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]["tracklab_plugin"]
    package = import_module(plugins["bpbreid"]).config_package.removeprefix("pkg://")
    told = yaml.safe_load((files(package) / "modules/reid/bpbreid_pack.yaml").read_text())
    module, _, name = told.pop("_target_").rpartition(".")
    source = ast.parse((PROJECT / module.replace(".", "/")).with_suffix(".py").read_text())
    (wanted,) = (node for node in source.body if isinstance(node, ast.ClassDef) and node.name == name)
    arguments = next(node.args for node in wanted.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    names = [argument.arg for argument in arguments.args]
    required = names[1 : len(names) - len(arguments.defaults)]
    assert set(required) <= set(told) <= set(names)
