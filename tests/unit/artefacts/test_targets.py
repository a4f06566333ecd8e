"""A file that no rule makes is explained by the name in it that the configuration does not know."""

import pytest

from artefacts.targets import misnamed

PATTERNS = (
    "results/{dataset}/manifest.csv",
    "results/{dataset}/parsing/{scheme}.h5",
    "results/{dataset}/parsing/fields.h5",
    "results/{dataset}/{model}/metrics.json",
    "results/{dataset}/{model}/seed{seed}/{matching}.json",
    "results/tables/{table}.md",
    "logs/{dataset}/{dataset}.txt",
)
NAMES = {
    "dataset": ["base", "synthetic", "market1501"],
    "model": ["hrnet", "small"],
    "scheme": ["five", "eight"],
    "matching": ["default"],
    "table": ["demo", "table1"],
}


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("results/bse/small/metrics.json", "there is no dataset 'bse'; did you mean base?"),
        ("./results/syntetic//manifest.csv", "there is no dataset 'syntetic'; did you mean synthetic?"),
        ("results/zzz/manifest.csv", "there is no dataset 'zzz'; there are base, synthetic, market1501"),
        ("results/base/smal/metrics.json", "there is no model 'smal'; did you mean small?"),
        ("results/base/parsing/fife.h5", "there is no scheme 'fife'; did you mean five?"),
        ("results/base/hrnet/seed1/defaults.json", "there is no matching 'defaults'; did you mean default?"),
        ("results/tables/tabel1.md", "there is no table 'tabel1'; did you mean table1?"),
        ("results/bse/smal/metrics.json", "there is no dataset 'bse'; did you mean base?"),
        ("logs/bse/bse.txt", "there is no dataset 'bse'; did you mean base?"),
    ],
)
def test_the_wrong_name_is_told_with_the_nearest(target, line):
    assert misnamed(target, PATTERNS, NAMES).partition(": ")[2] == line


@pytest.mark.parametrize(
    "target",
    [
        "results/base/parsing/fields.h5",
        "results/base/parsing/five.h5",
        "results/base/small/seed7/default.json",
        "results/base/small/metric.json",
        "results/bse/small/metric.json",
        "logs/base/market1501.txt",
        "elsewhere/bse",
        "",
    ],
)
def test_what_is_well_named_or_no_file_of_a_rule_is_not_explained(target):
    assert misnamed(target, PATTERNS, NAMES) is None
