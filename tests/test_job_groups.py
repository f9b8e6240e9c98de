"""Which runs share a job, and the name by which another process finds them again."""

from __future__ import annotations

import pytest

from slotmachines.errors import UserError
from slotpipeline.experiments.grid import grid_runs
from synthetic import make_config
from workflow.support.job_groups import grouped, job_name, runs_of_job, runs_per_job

RUNS = grid_runs(make_config(seeds=3, experiments=["k-sweep", "finetune"]))


@pytest.mark.parametrize("size", [1, 4, 24])
def test_each_run_is_in_one_job_of_one_network_and_after_its_slot_machine(size: int) -> None:
    groups = grouped(RUNS, size)
    order = [run.identity for group in groups for run in group]
    assert sorted(order) == sorted(run.identity for run in RUNS)
    assert all(len(group) <= size and len({(run.network, run.dataset) for run in group}) == 1 for group in groups)
    started = [run for run in RUNS if run.parent is not None]
    assert started
    for run in started:
        assert run.parent is not None and order.index(run.parent.identity) < order.index(run.identity)


@pytest.mark.parametrize("size", [1, 4, 24])
def test_the_name_of_a_job_tells_its_runs(size: int) -> None:
    known = {run.identity: run for run in RUNS}
    groups = grouped(RUNS, size)
    names = [job_name(group) for group in groups]
    assert len(set(names)) == len(names)
    assert [runs_of_job(name, known) for name in names] == groups
    assert max(len(part) for name in names for part in name.split("/")) <= 240  # file systems take 255 bytes


@pytest.mark.parametrize("value", [0, 25, "many", True, None])
def test_other_numbers_of_runs_are_refused(value: object) -> None:
    with pytest.raises(UserError, match="runs_per_job"):
        runs_per_job(value)
