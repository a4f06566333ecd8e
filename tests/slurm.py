"""A real Slurm of one node on this machine, on loopback, whose daemons end with the block that wants it."""

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

USUAL = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
SEARCHED = f"{os.environ['PATH']}:/usr/sbin"
MISSING = [program for program in PROGRAMS if shutil.which(program, path=SEARCHED) is None]
# The node claims more than the machine has, so that the profile's own demands fit.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,NoShared
MinJobAge=86400
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=200000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=1500 PriorityTier=1
PartitionName=gpu Nodes={host} MaxTime=1500 PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=1500 PriorityTier=9
"""


class Cluster:
    """A running Slurm. `environment` is what its programs need to find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": SEARCHED, "SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *command: str) -> str:
        """What a program of Slurm says."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job so far in the order of submission, as `scontrol show job` tells it."""
        lines = self.call("scontrol", "show", "job", "--oneliner").splitlines()
        found = [dict(re.findall(r"(\S+?)=(.*?)(?= \S+=|$)", line)) for line in lines if line.startswith("JobId=")]
        return sorted(found, key=lambda job: int(job["JobId"]))


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster with partitions cpu, gpu and urgent, which preempts the others; its files and logs are in `folder`."""
    running = Cluster(folder)
    _configure(folder)
    with ExitStack() as daemons, _in_the_usual_place(folder):
        _start(daemons, running, "munged", "--foreground", "--force", *_munge_files(folder))
        _wait(lambda: (folder / "munge.socket").exists())
        _start(daemons, running, "slurmctld", "-D", "-c")
        _start(daemons, running, "slurmd", "-D")
        _wait(lambda: "idle" in _tried(running, "sinfo", "--noheader", "--format=%T"))
        try:
            yield running
        finally:
            _tried(running, "scancel", "--user=root")
            _wait(lambda: not _tried(running, "squeue", "--noheader"), fatal=False)


@contextmanager
def _in_the_usual_place(folder: Path) -> Iterator[None]:
    """The configuration is found in /etc/slurm meanwhile: Snakemake's jobs forget SLURM_CONF. A cluster's own stays."""
    USUAL.mkdir(exist_ok=True)
    links = [USUAL / name for name in ("slurm.conf", "gres.conf")]
    if taken := [link for link in links if link.exists()]:
        pytest.skip(f"{taken[0]} is there: this machine belongs to a cluster")
    for link in links:
        link.unlink(missing_ok=True)  # of a test that was killed
        link.symlink_to(folder / link.name)
    try:
        yield
    finally:
        for link in links:
            link.unlink()


def _configure(folder: Path) -> None:
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o600)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    ports = {"control_port": _free_port(), "node_port": _free_port()}
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, host=host, **ports))
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")


def _munge_files(folder: Path) -> list[str]:
    names = {"key": "key", "socket": "socket", "pid": "pid", "log": "log", "seed": "seed"}
    return [f"--{name}{'' if name == 'socket' else '-file'}={folder}/munge.{end}" for name, end in names.items()]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _start(daemons: ExitStack, running: Cluster, *command: str) -> None:
    """Start a daemon, which is ended by its process number when the stack closes."""
    with open(running.folder / f"{command[0]}.out", "w") as output:
        process = subprocess.Popen(command, env=running.environment, stdout=output, stderr=subprocess.STDOUT)
    daemons.callback(process.wait)
    daemons.callback(process.terminate)


def _tried(running: Cluster, *command: str) -> str:
    return subprocess.run(command, env=running.environment, capture_output=True, text=True, timeout=60).stdout.strip()


def _wait(condition, seconds: float = 120, fatal: bool = True) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            assert not fatal, "Slurm does not start; see its logs"
            return
        time.sleep(0.5)
