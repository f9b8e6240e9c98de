"""A run's identity, folder and arguments."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, make_dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotmachines import UserError
from slotpipeline.experiments.grid import experiment_runs
from slotpipeline.runs import recipe as recipe_module
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import Settings, changed_settings
from slotpipeline.runs.run import Run, finetuned, make_run, with_seed
from slotpipeline.training_verbs import job_of


def greedy(**changes) -> Run:
    return make_run(
        **{
            "network": "lenet",
            "dataset": "mnist",
            "method": "greedy",
            "options": 8,
            "seed": 0,
            "recipe": "paper-glorot",
        }
        | changes
    )


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(2, 1000),
        "learning_rate": st.floats(0, 1e10),
        "weight_decay": st.floats(1e-12, 1e-3),
        "value_bound": st.sampled_from(["glorot-deviation", 0.1, 1e-7]),
        "schedule": st.sampled_from(["constant", "steps"]),
        "schedule_epochs": st.lists(st.integers(1, 200), max_size=3),
        "sharing": st.sampled_from(["none", "layer", "network"]),
        "network_settings": st.sampled_from([{}, {"classes": 7}]),
    },
)

PINNED = {
    "b101c85d": greedy(),
    "27b02305": finetuned(greedy(), 75),
    "c55e1eef": greedy(method="probabilistic", options=2, changes={"epochs": 110}),
    "d149e81c": greedy(method="learned", options=None, changes={"epochs": 110}),
    "1a62ad87": greedy(method="learned", options=None, network="conv2", dataset="cifar10", seed=2, recipe="code"),
    "61412e4e": greedy(network="vgg19", dataset="cifar10", recipe="paper"),
    "03e06b77": greedy(method="random", options=None, dataset="digits", seed=4, recipe="paper"),
}


@pytest.mark.parametrize("identity", PINNED)
def test_identities_stay_the_same_for_ever(identity):
    # Another identity would orphan every result obtained before.
    assert PINNED[identity].identity == identity


@pytest.mark.parametrize(
    "changed",
    [
        {"network": "conv2", "changes": {"network_settings": {}}},
        {"dataset": "digits", "changes": {"validation": 9000}},
        {"method": "probabilistic", "changes": {"learning_rate": 0.2, "weight_decay": 1e-4}},
        {"options": 4},
        {"seed": 1},
        {"recipe": "paper"},
        {"changes": {"epochs": 199}},
        {"changes": {"network_settings": {"classes": 11}}},
        {"changes": {"value_bound": 0.1}},
        {"changes": {"sharing": "layer"}},
    ],
)
def test_what_changes_the_result_changes_the_identity(changed):
    assert greedy(**changed).identity != greedy().identity


def test_what_does_not_change_the_result_does_not_change_the_identity(tmp_path):
    (tmp_path / "mine.yaml").write_text("{description: the same, extends: paper-glorot}")
    same = [
        greedy(recipe=str(tmp_path / "mine.yaml")),
        greedy(changes={"epochs": 200, "momentum": 0.9, "sharing": "none"}),
        greedy(recipe="paper", changes={"value_bound": "glorot-uniform", "score_range_linear": 1}),
    ]
    assert {run.identity for run in same} == {greedy().identity}
    assert {run.folder for run in same} == {greedy().folder}


def test_a_run_of_another_seed_is_the_run_of_that_seed():
    assert with_seed(greedy(), 3) == greedy(seed=3)
    assert with_seed(finetuned(greedy(), 75), 3) == finetuned(greedy(seed=3), 75)
    with pytest.raises(UserError, match="a seed lies between 0"):
        with_seed(greedy(), -1)


def test_finetuning_depends_on_its_slot_machine_and_on_when_it_starts():
    runs = [finetuned(greedy(), 75), finetuned(greedy(), 76), finetuned(greedy(options=4), 75), greedy()]
    assert len({run.identity for run in runs}) == 4


def test_a_setting_that_is_added_with_a_default_orphans_nothing(monkeypatch):
    more = make_dataclass("Settings", [("clipping", float, 0.0)], bases=(Settings,), frozen=True)
    run, identity = greedy(), greedy().identity
    values = {name: getattr(run.settings, name) for name in Settings.__dataclass_fields__}
    monkeypatch.setattr(recipe_module, "Settings", more)
    assert replace(run, settings=more(**values)).identity == identity
    assert replace(run, settings=more(**values, clipping=1.0)).identity != identity


@settings(deadline=None)
@given(CHANGES)
def test_settings_are_told_apart_as_they_are_and_as_they_were_written(changes):
    given = greedy(changes=changes).settings
    written = json.loads(json.dumps(asdict(given)))
    assert json.loads(json.dumps(changed_settings(written))) == json.loads(json.dumps(changed_settings(given)))
    del written["sharing"]  # as results from before this setting have it
    assert "sharing" not in changed_settings(written)


@pytest.mark.parametrize("identity", PINNED)
def test_folders_are_readable_and_name_the_identity(identity):
    folder = PINNED[identity].folder
    assert re.fullmatch(r"[a-z0-9]+-[a-z0-9]+/[a-z0-9-]+/seed\d+-[0-9a-f]{8}", folder) and folder.endswith(identity)


def test_folders():
    assert finetuned(greedy(seed=3), 75).folder.startswith("lenet-mnist/greedy-k8-finetuned/seed3-")
    assert greedy(method="learned", options=None).folder.startswith("lenet-mnist/learned/seed0-")
    assert greedy(changes={"sharing": "layer", "epochs": 7}).folder.startswith("lenet-mnist/greedy-k8/seed0-")


def parsed(run: Run) -> Run:
    """The run that the command line understands from the arguments of `run`."""
    weights = ["--weights", "w.safetensors"] if run.parent else []
    return job_of(["slotmachines", *run.arguments, *weights]).run


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["greedy", "probabilistic", "learned", "random"]), st.integers(0, 2**63 - 1), CHANGES, st.booleans()
)
def test_the_command_line_understands_the_arguments(method, seed, changes, finetune):
    slots = method in ("greedy", "probabilistic")
    changes = changes if slots else {name: value for name, value in changes.items() if name != "sharing"}
    run = greedy(method=method, options=8 if slots else None, seed=seed, changes=changes)
    run = finetuned(run, 1) if finetune and slots else run
    again = parsed(run)
    assert (again.identity, again.folder, again.settings) == (run.identity, run.folder, run.settings)


@pytest.mark.parametrize("experiment", ["recipe-study", "large-k", "sharing", "finetune-checkpoints"])
def test_the_command_line_understands_every_run_of_an_experiment(experiment):
    grid = read_config(Path(__file__).parents[1] / "config/paper.yaml") | {"seeds": [0]}
    grid["experiments"][experiment] |= {"networks": ["conv6"], "seeds": [3]}
    if experiment == "finetune-checkpoints":
        grid["experiments"][experiment]["every"] = 100
    for run in experiment_runs(grid, experiment):
        assert parsed(run).identity == run.identity


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "adaptive"}, "unknown method 'adaptive': use one of greedy, probabilistic, free_pruning"),
        ({"dataset": "imagenet"}, "unknown dataset 'imagenet'"),
        ({"options": 0}, "at least 1, not 0"),
        ({"options": None}, "at least 1, not None"),
        ({"method": "learned"}, "a learned network has no options; leave out K = 8"),
        ({"seed": -1}, "a seed lies between 0"),
        ({"seed": 2**63}, "a seed lies between 0"),
        ({"recipe": "fast"}, "unknown recipe"),
        ({"changes": {"rate": 1}}, "^the changed settings: unknown setting rate"),
        ({"changes": {"epochs": -1}}, "^the changed settings: epochs must be a number of at least 0, not -1"),
        ({"changes": {"schedule": "cosine"}}, "^the changed settings: unknown schedule 'cosine'"),
        ({"changes": {"sharing": "all"}}, "^the changed settings: unknown sharing 'all'; use one of none, layer, net"),
        (
            {"method": "learned", "options": None, "changes": {"sharing": "layer"}},
            "a learned network cannot share its weights",
        ),
    ],
)
def test_bad_runs(changed, message):
    with pytest.raises(UserError, match=message):
        greedy(**changed)


@pytest.mark.parametrize("epoch", [0, 200, 300])
def test_finetuning_starts_while_the_slot_machine_trains(epoch):
    with pytest.raises(UserError, match=f"cannot start after {epoch} of 200 epochs"):
        finetuned(greedy(), epoch)


def test_finetuning_needs_a_slot_machine():
    with pytest.raises(UserError, match="not from a learned network"):
        finetuned(greedy(method="learned", options=None), 10)


def test_finetuning_is_ordinary_training_for_as_many_epochs_in_total():
    run = finetuned(greedy(network="conv6", dataset="cifar10"), 75)
    assert (run.settings.epochs, run.settings.learning_rate, run.settings.weight_decay) == (200, 0.01, 0)
    assert (run.start_epoch, run.variant, run.parent) == (75, "finetuned", greedy(network="conv6", dataset="cifar10"))


def test_random_networks_are_not_trained():
    assert greedy(method="random", options=None, changes={"epochs": 7}).settings.epochs == 0


def test_planning_needs_no_torch_and_no_statistics():
    heavy = ("torch", "scipy", "matplotlib")
    code = f"import sys, slotpipeline.experiments.grid; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
