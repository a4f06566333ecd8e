#!/usr/bin/env bash
# Run by Snakemake once it has made the environment of parsing.yaml, with the project first on PYTHONPATH (common.smk).
set -euo pipefail
"${PYTHONPATH%%:*}/envs/openpifpaf/install" "$CONDA_PREFIX/bin/python"
