"""Give every reader of foreign files whatever a fuzzer thinks of: `make fuzz`.

Atheris (libFuzzer) changes real files so that ever more of a reader's code runs. Each reader is a process of its own,
with at most 2 GB of memory and 20 seconds an input. It may do what it is for, or raise the error that it documents; all
else is a finding, whose input is kept in results/fuzz/ and can be tried again:

    python -m tests.fuzz [--seconds 60] [--only NAME]
    python -m tests.fuzz --again NAME FILE

Prints how many inputs each reader was given. Fails if there are findings.
"""

import argparse
import hashlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FINDINGS = PROJECT / "results/fuzz"
MEMORY, PATIENCE = 2048, 20  # MiB; seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--only", help="a reader by its name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="readers at a time")
    parser.add_argument("--again", nargs=2, metavar=("NAME", "FILE"), help="try one kept input again")
    parser.add_argument("--reader", help=argparse.SUPPRESS)  # one process of the fuzzer
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments, more = parser.parse_known_args()
    if arguments.reader:
        fuzz(arguments.reader, arguments.folder, more)
    elif arguments.again:
        again(*arguments.again)
    else:
        sys.exit(run_all(arguments))


def run_all(arguments: argparse.Namespace) -> int:
    """How many findings there are."""
    from tests.fuzz.readers import READERS

    names = [name for name in READERS if arguments.only in (None, name)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        counts = list(pool.map(lambda name: run_reader(name, arguments.seconds), names))
    found = sum(findings + (tried == 0) for tried, findings in counts)
    print(f"{sum(tried for tried, _ in counts):,} inputs to {len(names)} readers, {found} findings")
    return found > 0


def run_reader(name: str, seconds: int) -> tuple[int, int]:
    """Inputs tried and findings of one reader, which is started again where an input ended the whole process."""
    tried, left = 0, seconds
    folder = FINDINGS / name
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as work:
        while left > 0:
            process = subprocess.run(command(name, Path(work), folder, left), capture_output=True, cwd=PROJECT)
            said = process.stderr.decode(errors="replace")
            numbers = dict(re.findall(r"stat::(\w+):\s+(\d+)", said))
            tried += int(numbers.get("number_of_executed_units", 0))
            left = 0 if process.returncode == 0 else left - max(10, seconds // 4)
            if process.returncode and not numbers:
                print(said[-2000:], file=sys.stderr)
    new = sorted(set(folder.iterdir()) - before)
    print(f"{name}: {tried:,} inputs, {len(new)} findings {' '.join(path.name for path in new)}", flush=True)
    return tried, len(new)


def command(name: str, work: Path, findings: Path, seconds: int) -> list[str]:
    from tests.fuzz.readers import READERS

    limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}", f"-malloc_limit_mb={MEMORY}"]
    limits += [f"-timeout={PATIENCE}", f"-max_len={READERS[name].longest}", f"-artifact_prefix={findings}/"]
    line = [sys.executable, "-m", "tests.fuzz", "--reader", name, "--folder", str(work)]
    return [*line, *limits, "-print_final_stats=1", "-seed=1"]


def fuzz(name: str, folder: Path, options: list[str]) -> None:
    """Give a reader inputs until the time is over."""
    import atheris

    quiet()
    with atheris.instrument_imports(include=["artefacts", "parsing", "reid"], enable_loader_override=False):
        from tests.fuzz.readers import READERS
    reader = READERS[name]
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(reader.seeds(folder)):
        (corpus / f"seed{number}").write_bytes(seed)
    seen = set()

    def one(content: bytes) -> None:
        try:
            reader.read(content, folder)
        except reader.documented:
            pass
        except Exception as error:
            signature = signature_of(error)
            if signature not in seen:
                seen.add(signature)
                keep(name, content, signature)

    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def signature_of(error: Exception) -> str:
    """Kind of the error, and where in the project it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(PROJECT) in frame.filename]
    inside = [frame for frame in frames if ".venv" not in frame.filename and "tests/fuzz" not in frame.filename]
    frame = (inside or frames)[-1]
    return f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"


def keep(name: str, content: bytes, signature: str) -> None:
    digest = hashlib.sha256(content).hexdigest()[:8]
    (FINDINGS / name / f"{signature}-{digest}").write_bytes(content)


def again(name: str, file: str) -> None:
    """Let a reader read a kept input, and show what comes of it."""
    from tests.fuzz.readers import READERS

    with tempfile.TemporaryDirectory() as folder:
        list(READERS[name].seeds(Path(folder)))
        READERS[name].read(Path(file).read_bytes(), Path(folder))


def quiet() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"


if __name__ == "__main__":
    main()
