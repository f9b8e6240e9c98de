"""A SLURM of one node with two simulated GPUs: real daemons, whose key, state and logs lie in one folder."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# SLURM wants device files, and opens none of them.
GPUS = ("/dev/zero", "/dev/full")
PROCESSORS = 4  # whatever the machine has: training is slow where it has fewer, the queue goes on

CONF = """\
ClusterName=simulated
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Finished jobs stay visible, as there is no accounting.
MinJobAge=600
KillWait=5
ReturnToService=2
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} CPUs={processors} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=usual Nodes={host} Default=YES PriorityTier=1 MaxTime=02:00:00
PartitionName=urgent Nodes={host} PriorityTier=2 PreemptMode=OFF MaxTime=02:00:00
"""
# Notes what each task of a job gets of the GPUs, then hides them from PyTorch, which cannot use simulated ones.
PROLOG = """\
#!/bin/sh
echo "$SLURM_JOB_ID ${{CUDA_VISIBLE_DEVICES-none}}" >> {folder}/gpus.txt
echo "export CUDA_VISIBLE_DEVICES=-1"
"""
# The executor of Snakemake hides SLURM_CONF from the srun in a job, so that it would look in /etc only.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


class Cluster:
    """A running SLURM.

    Attributes:
        environment: of the processes that talk to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf"}
        self.environment["PATH"] = f"{folder}/bin:{os.environ['PATH']}"

    def call(self, *command: str) -> str:
        """What a client of SLURM answers; a client may wait for ever where SLURM is away."""
        answer = subprocess.run(command, env=self.environment, text=True, capture_output=True, timeout=20, check=True)
        return answer.stdout

    def is_ready(self) -> bool:
        """Whether the node takes jobs."""
        try:
            return "idle" in self.call("sinfo", "--noheader", "--format=%T")
        except subprocess.CalledProcessError:
            return False

    def jobs(self) -> list[dict[str, str]]:
        """The entries of each job, finished ones included, in the order of submission."""
        lines = self.call("scontrol", "--oneliner", "show", "job").splitlines()
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if line.startswith("JobId=")]

    def gpus_of_tasks(self) -> list[tuple[str, str]]:
        """(job, CUDA_VISIBLE_DEVICES) of each task that was started."""
        lines = (self._folder / "gpus.txt").read_text().splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a SLURM; whatever ends the block, its jobs are cancelled and its daemons stopped."""
    _write_files(folder)
    with ExitStack() as daemons:
        places = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        munged = ["munged", "--foreground", "--force", f"--socket={folder}/munge.sock", *places]
        for command in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
            daemons.enter_context(_daemon(command, folder))
        cluster = Cluster(folder)
        deadline = time.monotonic() + 20
        while not cluster.is_ready():
            if time.monotonic() > deadline:
                logs = "".join(log.read_text() for log in folder.glob("*.log"))
                raise TimeoutError(f"SLURM does not become ready:\n{logs}")
            time.sleep(0.1)
        try:
            yield cluster
        finally:
            cluster.call("scancel", "--user", getpass.getuser())
            deadline = time.monotonic() + 30
            while cluster.call("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.2)


def _write_files(folder: Path) -> None:
    for name in ("spool", "state", "bin"):
        (folder / name).mkdir(parents=True)
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("", 0))
        ports = [one.getsockname()[1] for one in (first, second)]
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    values = {"folder": folder, "host": host, "user": getpass.getuser(), "ports": ports, "memory": memory * 9 // 10}
    srun = subprocess.run(["which", "srun"], text=True, capture_output=True, check=True).stdout.strip()
    (folder / "slurm.conf").write_text(CONF.format(**values, processors=PROCESSORS, gpus=len(GPUS)))
    (folder / "gres.conf").write_text("".join(f"NodeName={host} Name=gpu File={file}\n" for file in GPUS))
    for name, text in (("prolog", PROLOG), ("bin/srun", SRUN)):
        (folder / name).write_text(text.format(folder=folder, srun=srun))
        (folder / name).chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)


@contextmanager
def _daemon(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("a") as log:
        environment = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf"}
        # Signals of the keyboard are for the test, which stops the daemons when it is done with them.
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
