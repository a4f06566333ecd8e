"""The protocol in plain words, as Markdown, in which names from files and tables are code and so do nothing."""

import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from artefacts.manifest import DISTRACTOR, SPLITS, ImageRow
from reid.config.stages import ProtocolConfig
from reid.data.folder import FolderRecord, PassedOver
from reid.data.protocol import Problem, QueryRelevance
from reid.report.table_formats import markdown_table

EXAMPLES = 10  # cases shown of a problem
CAMERAS = 40  # shown one by one
KINDS = 20  # of files passed over
CLASSES = ((0, 0), (1, 1), (2, 4), (5, 9), (10, 19), (20, None))  # positives of a query, from and to
INTRODUCTION = """\
Every query is compared with all images of the gallery. Right answers are gallery images of the same identity from
another camera; gallery images of the same identity from the query's own camera are left out, and distractors (identity
0) are always wrong. A query without a right answer within reach is left out of all means."""


def report(
    config: ProtocolConfig,
    rows: Sequence[ImageRow],
    relevance: Sequence[QueryRelevance],
    found: Sequence[Problem],
    folder: FolderRecord | None = None,
) -> str:
    """The whole report of a dataset: what is wrong with it, its images and cameras, and what its queries can find.

    Where its `folder` is given, also what its names of splits were taken for, and which files were passed over.
    """
    sections = [f"# Protocol of {config.name}", INTRODUCTION, "## Findings"]
    sections += [_finding(config, problem) for problem in found] or ["Nothing is wrong with it."]
    sections += ["## Images", markdown_table(_IMAGES, [_split_line(split, rows) for split in SPLITS])]
    sections += _folder(folder) if folder else []
    sections += ["## Cameras", _cameras(rows)]
    sections += ["## What the queries can find", _queries(relevance)]
    return "\n\n".join(sections) + "\n"


def code(text: str) -> str:
    """`text` as a code span, which Markdown shows letter by letter: nothing in it becomes markup, link or new line."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    if not text.strip():
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _finding(config: ProtocolConfig, problem: Problem) -> str:
    allowed = config.accepts(problem.name)
    lines = [f"### {problem.name}: {'allowed' if allowed else 'stops the workflow'}", ""]
    lines += [f"{_capital(problem.says)}: {len(problem.cases):,}. {problem.means} {problem.change}", ""]
    if not allowed:
        lines += [f"To go on with the dataset as it is, {problem.accepting(config.name)}.", ""]
    lines += [f"- {code(case)}" for case in problem.cases[:EXAMPLES]]
    more = len(problem.cases) - EXAMPLES
    return "\n".join([*lines, *([f"- and {more:,} more"] if more > 0 else [])])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_IMAGES = ("split", "images", "unreadable", "identities", "images of each", "one image only", "cameras", "distractors")


def _split_line(split: str, rows: Iterable[ImageRow]) -> tuple[object, ...]:
    mine = [row for row in rows if row.split == split]
    people = Counter(row.identity for row in mine if row.identity != DISTRACTOR).values()
    unreadable = sum(not row.readable for row in mine)
    cameras = len({row.camera for row in mine})
    distractors = sum(row.identity == DISTRACTOR for row in mine)
    return split, len(mine), unreadable, len(people), _range(people), sum(n == 1 for n in people), cameras, distractors


_REASONS = {
    "not_an_image": "have no ending of an image that is read; convert those that are images",
    "not_in_a_split": "are images, but in no folder, list or table of the dataset",
    "hidden": "are hidden, or an operating system's",
    "link": "are links to folders, which are not followed",
    "closed": "are folders that cannot be listed",
    "no_file": "are broken links, pipes or devices",
}


def _folder(folder: FolderRecord) -> list[str]:
    sections = []
    if folder.splits:
        lines = [(code(one.name), one.split, one.images) for one in folder.splits]
        sections += ["## What was taken for which split", markdown_table(("its name", "taken for", "images"), lines)]
    if folder.junk:
        sections.append(f"{folder.junk:,} more images are junk, which takes part in nothing.")
    if folder.passed_over:
        sections += ["## Files passed over", _passed_over(folder.passed_over)]
    return sections


def _passed_over(kinds: Sequence[PassedOver]) -> str:
    most = sorted(kinds, key=lambda one: -one.files)
    lines = [(one.files, code(one.ending), _REASONS[one.reason], code(one.first)) for one in most[:KINDS]]
    rest = f"\n\nand {sum(one.files for one in most[KINDS:]):,} of other kinds." if len(most) > KINDS else ""
    return markdown_table(("files", "ending", "why", "the first"), lines) + rest


def _range(numbers: Collection[int]) -> str:
    if not numbers:
        return ""
    low, middle, high = min(numbers), statistics.median(numbers), max(numbers)
    return f"{low:,} to {high:,}, half of them up to {middle:,.0f}" if low < high else f"{low:,}"


def _cameras(rows: Sequence[ImageRow]) -> str:
    count = Counter((row.camera, row.split) for row in rows)
    names = {row.camera: code(row.camera_name) or "not known" for row in rows}
    cameras = sorted(names)
    lines = [(camera, names[camera], *(count[camera, split] for split in SPLITS)) for camera in cameras[:CAMERAS]]
    rest = f"\n\nand {len(cameras) - CAMERAS:,} more." if len(cameras) > CAMERAS else ""
    trained: dict[int, set[int]] = {}
    for row in rows:
        if row.split == "train":
            trained.setdefault(row.identity, set()).add(row.camera)
    alone = sum(len(seen) == 1 for seen in trained.values())
    note = f"\n\n{alone:,} of {len(trained):,} training identities were seen by one camera only." if trained else ""
    return markdown_table(("camera", "its name", *SPLITS), lines) + rest + note


def _queries(relevance: Sequence[QueryRelevance]) -> str:
    positives = [one.positives for one in relevance]
    lines = []
    for low, high in CLASSES:
        inside = sum(low <= number and (high is None or number <= high) for number in positives)
        lines.append((f"{low} or more" if high is None else f"{low}" if low == high else f"{low} to {high}", inside))
    words = f"Right answers within reach of a query: {_range(positives)}. Query by query: queries.csv of rule protocol."
    return markdown_table(("right answers", "queries"), lines) + "\n\n" + words
