# What comes before the configuration is read: the interpreter, where modules are found, and whether its files are YAML.
# No rules.
import sys
from os import environ, pathsep
from pathlib import Path

PROJECT = Path(workflow.basedir).parent
PYTHON_FOLDER = str(Path(sys.executable).parent)
# Stages run this project's code, from whichever folder, under the Python that runs Snakemake, activated or not.
sys.path.insert(0, str(PROJECT))
environ.update(PYTHONPATH=pathsep.join(filter(None, [str(PROJECT), environ.get("PYTHONPATH")])))
if PYTHON_FOLDER not in environ.get("PATH", "").split(pathsep):
    environ.update(PATH=pathsep.join([PYTHON_FOLDER, environ.get("PATH", "")]))

from artefacts.errors import UserError
from artefacts.yaml_files import check_yaml
from reid.config.files import CONFIGURATION

# Bad input leaves by sys.exit, one line: Snakemake would wrap a WorkflowError in lines about its own insides.
try:
    for file in (*CONFIGURATION, *workflow.overwrite_configfiles):
        if file.suffix != ".json":
            check_yaml(file)
except UserError as error:
    sys.exit(f"error: {error}")
