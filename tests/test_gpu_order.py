"""The order in which a GPU works at the paper's grid: what decides the recipe comes first, beside learned weights."""

from collections import Counter
from functools import cache
from pathlib import Path

from slotmachines.methods import SLOT_METHODS
from slotpipeline.experiments.config_schema import checked_config
from slotpipeline.planning.plan import in_order, plan_lines, read_order
from slotpipeline.results.collect import recorded_identities
from slotpipeline.results.predictions_file import read_predictions
from slotpipeline.runs.config import read_config
from slotpipeline.runs.run import Run, make_run
from slotpipeline.runs.to_do import runs_to_do

PROJECT = Path(__file__).parents[1]
PAPER = checked_config(read_config(PROJECT / "config/paper.yaml"))
ORDER = read_order(PROJECT / "config/orders/gpu.yaml")
FLIP, NO_DECAY, PADDING = {"augmentation": "flip"}, {"weight_decay": 0.0}, {"network_settings": {"padding": "code"}}
RESTARTS, DECAY = {"schedule": "warm-restarts", "schedule_epochs": [25, 75]}, {"weight_decay": 1e-4}


def one(network: str, options: int | None, changes: dict[str, object]) -> Run:
    return make_run(
        network=network, dataset="cifar10", method="learned" if options is None else "greedy", options=options, seed=0,
        recipe="paper-glorot", changes=changes,
    )  # fmt: skip


ELEVEN = [
    *(one("conv2", 8, changes) for changes in (FLIP, NO_DECAY, PADDING, FLIP | NO_DECAY | PADDING)),
    *(one("conv2", None, changes) for changes in (FLIP, PADDING, FLIP | PADDING)),
    *(one("conv6", 8, changes) for changes in (FLIP, NO_DECAY, PADDING, FLIP | NO_DECAY | PADDING)),
]
FOUR = [one(network, None, changes) for network in ("conv2", "conv6") for changes in (RESTARTS, RESTARTS | DECAY)]


@cache
def planned() -> list[Run]:
    """As `slotmachines plan config/paper.yaml config/orders/gpu.yaml` has them; the eleven runs may be recorded."""
    return runs_to_do(in_order(PAPER, ORDER), set(), PROJECT / "none")


def test_the_plan_begins_with_the_eleven_runs_that_decide_and_four_of_learned_weights():
    assert [run.identity for run in planned()[:15]] == [run.identity for run in [*ELEVEN, *FOUR]]
    assert [run.settings.epochs for run in planned()[:15]] == [200] * 13 + [330] * 2
    folders = [line.partition(" --folder ")[2].split()[0] for line in plan_lines(planned()[:11], {}, Path("results"))]
    assert folders == [f"results/runs/{run.folder}" for run in ELEVEN]


def test_each_of_these_runs_was_predicted():
    predictions = read_predictions(PROJECT)
    assert [(one.identity, one.network, one.method, one.options) for one in predictions.runs[:15]] == [
        (run.identity, run.network, run.method, run.options) for run in [*ELEVEN, *FOUR]
    ]


def test_what_was_recorded_is_not_planned_again():
    recorded = recorded_identities(PROJECT / "results/paper")
    left = {run.identity for run in runs_to_do(planned(), recorded, PROJECT / "none")}
    assert recorded and left == {run.identity for run in planned()} - recorded


def of_augmentation(run: Run) -> tuple[str, str]:
    return run.network, run.settings.augmentation


def test_a_slot_machine_is_never_left_without_learned_weights_of_its_augmentation():
    runs: dict[str, Run] = {}
    for number, step in enumerate(ORDER, start=1):
        runs |= {run.identity: run for run in in_order(PAPER, [step])}
        slots = [run for run in runs.values() if run.method in SLOT_METHODS and run.dataset == "cifar10"]
        learned = Counter(of_augmentation(run) for run in runs.values() if run.method == "learned")
        alone = {of_augmentation(run) for run in slots} - set(learned)
        # The runs that decide are not shown before the step that follows them: the first five belong together.
        assert number < 5 or not alone, f"after step {number}, {alone} have no learned weights beside them"


def test_by_the_grids_own_recipe_learned_weights_have_the_seeds_of_the_slot_machines():
    learned: set[tuple[str, int]] = set()
    for step in ORDER[5:]:
        runs = [run for run in in_order(PAPER, [step]) if run.recipe == PAPER["recipe"] and not run.changes]
        learned |= {(run.network, run.seed) for run in runs if run.method == "learned"}
        slots = {(run.network, run.seed) for run in runs if run.method in SLOT_METHODS and run.dataset == "cifar10"}
        assert slots <= learned
