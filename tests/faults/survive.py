"""What a run survives: `make faults`. Kills, a full and a read-only disk, damaged states, two at once, jumping clocks.

Every scenario runs the real demo in a copy of the project and ends in the same place: the metrics of an undisturbed
run, nothing half written, nothing half done in state/. By default the people are few and train for two epochs, so that
all of it takes a quarter of an hour on two cores; --whole takes the demo as it is.

    python tests/faults/survive.py --kills 30
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from parsing.stages.fields import FieldFile, cache_key, fingerprint  # noqa: E402
from tests.configuration import copy_configuration  # noqa: E402
from tests.faults.disks import contents, mount, redate  # noqa: E402
from tests.workflow.conftest import COPIED  # noqa: E402

FEW = {"identities": 12, "images": 6, "distractors": 4}
TABLE = "results/tables/demo.csv"
MODEL = "results/synthetic/small/seed1/model.safetensors"
STATE = "state/synthetic/small/seed1"
SOON = 10  # seconds in which a trainer saves and ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--whole", action="store_true", help="the demo as it is, hours instead of minutes")
    parser.add_argument("--only", help="a scenario by its name")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm = copy(Path(folder) / "calm", arguments.whole)
        finish(calm)
        expected = metrics(calm)
        results = {}
        for name, scenario in SCENARIOS.items():
            if arguments.only in (None, name):
                project = copy(Path(folder) / name, arguments.whole)
                results[name] = attempt(scenario, project, arguments, expected)
                print(f"{name}: {results[name]}", flush=True)
                shutil.rmtree(project, ignore_errors=True)
    failed = [name for name, result in results.items() if result.startswith("FAILED")]
    print(f"{len(results) - len(failed)} of {len(results)} kinds of faults survived")
    sys.exit(bool(failed))


def attempt(scenario: Callable, project: Path, arguments: argparse.Namespace, expected: dict) -> str:
    """What came of a scenario, whose project must end as if nothing had happened."""
    try:
        said = scenario(project, arguments)
        finish(project)
        assert metrics(project) == expected, "other metrics than of an undisturbed run"
        must_be_clean(project)
    except AssertionError as error:
        return f"FAILED: {error}"
    return said or "survived"


def copy(folder: Path, whole: bool) -> Path:
    """A copy of the project with the demo, or with a small one."""
    for name in (*COPIED, "resources"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    if not whole:
        config["datasets"]["synthetic"]["synthetic"] |= FEW
        config["models"]["small"]["training"] |= {"epochs": 2, "ids_per_batch": 3, "images_per_id": 2}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    copy_configuration(folder)
    return folder


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """A run in a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--resources", "gpu=2", *arguments]
    log = open(project / "said.log", "a")  # noqa: SIM115 - the process keeps it
    return subprocess.Popen(command, cwd=project, stdout=log, stderr=log, start_new_session=True)


def finish(project: Path, *arguments: str) -> None:
    """Run until done, as a user would: unlock first, then try again while a killed run's jobs are still at work."""
    for _ in range(10):
        start(project, "--unlock").wait()
        if start(project, *arguments).wait() == 0:
            return
        time.sleep(2)
    raise AssertionError(f"not finished after ten runs: {tail(project)}")


def tail(project: Path) -> str:
    return " | ".join((project / "said.log").read_text().splitlines()[-12:])


def metrics(project: Path) -> dict:
    """All numbers that a run ends with."""
    found = {TABLE: (project / TABLE).read_text()}
    for path in sorted((project / "results/synthetic").glob("*/metrics.json")):
        found[path.parent.name] = json.loads(path.read_text())["results"]
    return found


def must_be_clean(project: Path) -> None:
    left = [path for path in project.rglob("*.part") if ".snakemake" not in path.parts]
    left += [path for path in (project / "state").rglob("*") if path.suffix in (".pt", ".h5", ".json")]
    assert not left, f"left behind: {left[0].relative_to(project)} and {len(left) - 1} more"


def kills(project: Path, arguments: argparse.Namespace) -> str:
    """kill -9 of snakemake or one of its jobs, at random moments, until the count is reached; then to the end."""
    chance, hit = random.Random(arguments.seed), {}
    while sum(hit.values()) < arguments.kills:
        start(project, "--unlock").wait()
        run = start(project)
        time.sleep(chance.uniform(3, 12))
        victim = chosen(run.pid, chance)
        if victim is None:  # it ended by itself: begin again with the work of a random stage undone
            run.wait()
            undo(project, chance)
            continue
        name = what(victim)
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
        hit[name] = hit.get(name, 0) + 1
        if victim.pid != run.pid and run.poll() is None:
            run.send_signal(signal.SIGTERM)
        run.wait()
    return f"{sum(hit.values())} kills survived: " + ", ".join(
        f"{count} of {name}" for name, count in sorted(hit.items())
    )


def undo(project: Path, chance: random.Random) -> None:
    for path in chance.choice([[MODEL], ["results/synthetic/parsing/fields.h5"], [TABLE], ["results/synthetic"]]):
        target = project / path
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)


def chosen(pid: int, chance: random.Random) -> psutil.Process | None:
    """One of snakemake and its jobs that are at work."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return chance.choice(
            [process] + [child for child in process.children(recursive=True) if what(child) != "other"]
        )
    except psutil.NoSuchProcess:
        return None


def what(process: psutil.Process) -> str:
    """The stage that a process runs, or snakemake."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return "other"
    if words[1:3] in (["-m", "reid.stages"], ["-m", "parsing"]):
        return words[3]
    return "snakemake" if words[1:3] == ["-m", "snakemake"] else "other"


def trainer(project: Path) -> tuple[subprocess.Popen, psutil.Process]:
    """A run that trains, and its trainer, which has saved its state."""
    run = start(project, "--", MODEL)
    while run.poll() is None:
        found = [one for one in psutil.Process(run.pid).children(recursive=True) if what(one) == "train"]
        if found and list((project / STATE).glob("*/state.pt")):
            return run, found[0]
        time.sleep(0.02)
    raise AssertionError(f"it ended before it could be disturbed: {tail(project)}")


def terminated(project: Path, arguments: argparse.Namespace) -> str:
    """SIGTERM: the trainer saves and ends soon."""
    run, process = trainer(project)
    begun = time.monotonic()
    process.terminate()
    psutil.wait_procs([process], timeout=60)
    spent = time.monotonic() - begun
    run.wait()
    assert spent < SOON, f"the trainer took {spent:.1f} s to end"
    assert list((project / STATE).glob("*/state.pt")) or (project / MODEL).exists(), "nothing was saved"
    return f"saved and ended in {spent:.1f} s"


def damaged_state(project: Path, arguments: argparse.Namespace) -> str:
    """A state file of the training is cut short, and one of the label batches is garbage."""
    run, process = trainer(project)
    process.kill()
    run.wait()
    (state,) = (project / STATE).glob("*/state.pt")
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    fields = project / "results/synthetic/parsing/fields.h5"
    belongs = fingerprint(cache_key(FieldFile(fields).provenance))
    batches = project / "state/synthetic/fields/0-of-2" / belongs[:12]
    batches.mkdir(parents=True, exist_ok=True)
    (batches / "0123.h5").write_bytes(os.urandom(5000))
    fields.unlink()
    finish(project)
    said = "".join(path.read_text() for path in (project / "logs/synthetic").rglob("*.log"))
    assert "is damaged" in said + (project / "said.log").read_text(), "no line says that a state was damaged"
    return "said, and started over"


def full_disk(project: Path, arguments: argparse.Namespace) -> str:
    """results/ is a small tmpfs; then it grows."""
    (project / "results").mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", project / "results")
    try:
        assert start(project).wait() != 0, "it did not fail"
        assert "No space left on device" in (project / "said.log").read_text(), f"no clear message: {tail(project)}"
        mount("-o", "remount,size=2g", project / "results")
        finish(project)
        shutil.copytree(project / "results", project / "saved", copy_function=shutil.copy2)
    finally:
        subprocess.run(["umount", str(project / "results")], check=True)
    (project / "results").rmdir()
    (project / "saved").rename(project / "results")
    return "said, and went on when there was space"


def read_only(project: Path, arguments: argparse.Namespace) -> str:
    """results/ can be read and not written."""
    finish(project, "--", "results/synthetic/manifest.csv")
    before = contents(project)
    mount("--bind", project / "results", project / "results")
    try:
        mount("-o", "remount,ro,bind", project / "results")
        assert start(project).wait() != 0, "it did not fail"
        assert "Read-only file system" in (project / "said.log").read_text(), f"no clear message: {tail(project)}"
    finally:
        subprocess.run(["umount", str(project / "results")], check=True)
    assert contents(project) == before, "something was changed"
    return "said, and nothing was changed"


def two_at_once(project: Path, arguments: argparse.Namespace) -> str:
    """The same target twice: the second one says that the folder is taken; a second trainer, too."""
    run, process = trainer(project)
    process.suspend()  # or it may be done before the second has looked
    second = start(project)
    assert second.wait() != 0, "the second run was let in"
    assert "LockException" in (project / "said.log").read_text(), f"no clear message: {tail(project)}"
    line, environment = process.cmdline(), process.environ()
    other = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True)
    process.resume()
    assert "another process works here" in other.stderr, other.stderr[-300:]
    run.wait()
    return "the second was refused"


def jumping_clock(project: Path, arguments: argparse.Namespace) -> str:
    """After a kill, half of the files come from the future and half from long ago."""
    run, process = trainer(project)
    process.kill()
    run.wait()
    redate(project / "state")
    finish(project)
    redate(project / "results")
    start(project).wait()
    assert "Nothing to be done" in tail(project), f"it ran again: {tail(project)}"
    return "the work went on, and nothing ran twice"


SCENARIOS = {
    "SIGTERM": terminated,
    "damaged state": damaged_state,
    "full disk": full_disk,
    "read-only results": read_only,
    "two runs at once": two_at_once,
    "jumping clock": jumping_clock,
    "kill -9": kills,
}


if __name__ == "__main__":
    main()
