"""Each experiment of the paper's grid: its cells, and that they are what it compares."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conftest import tiny_run
from slotmachines import option_table
from slotmachines.methods import RIVALS
from slotpipeline.experiments.grid import cells_of, experiment_runs, grid_runs, kept_epochs, seeds_of
from slotpipeline.experiments.recipe_comparison import FACTORS, AsSlotMachine, MixedRecipe
from slotpipeline.experiments.registry import EXPERIMENTS
from slotpipeline.reporting.sources import OVERVIEWS, overview_script
from slotpipeline.runs.cell import cell_run
from slotpipeline.runs.config import read_config
from slotpipeline.runs.recipe import recipe_name
from slotpipeline.training.start import starting_network
from synthetic import make_config

PROJECT = Path(__file__).parents[1]
PAPER = {"seeds": [0, 1, 2, 3, 4]} | read_config(PROJECT / "config/paper.yaml")
SHAPES = PAPER["experiments"]
COUNTS = {
    "random-vs-selected": 3 * 2,
    "k-sweep": 4 * 7,
    "selection": 4 * 12,
    "cost": 5 * 2,
    "finetune": 5 * 3,
    "finetune-checkpoints": 3 * (1 + 19 + 1),
    "sharing": 4 * 3 * 3,
    "rivals": 4 * (1 + 3 + len(RIVALS) + 1),  # slot machine, learned weights in three settings, rivals, random weights
    "vgg": 4,
    "selected-weights": 5,
    "churn": 4 * 2 * 2,
    # Two recipes, two K: as they are, with 5 factors (lenet) or 7 (conv2, conv6) of the other, 2 or 3 groups of them;
    # the third recipe, with what it does not have from the code already; and learned weights.
    "recipe-study": 2 * (2 * (1 + 5 + 2) + (1 + 3 + 1))
    + 2 * 2 * (2 * (1 + 7 + 3) + (1 + 5 + 2))
    + (2 * (1 + 1) + 2 + (1 + 2))
    + 2 * (2 * (1 + 3 + 1) + 2 + (1 + 2 + 1 + 2)),
    "large-k": 2 * (3 + 4 * (1 + 3 + 1)),  # K = 8 has the rate 0.2 by the recipe, and no range that grows
    "connections-changed": 4 * (4 + 1),
    "signs": 2 * 11,
    "initial-weights": 2 * 7,
    "bits": 2 * (1 + 6 + len(RIVALS) + 1),
}


def settings_of(cell):
    return cell_run(PAPER, cell, 0).settings


def test_an_experiment_has_its_own_seeds_or_those_of_the_grid():
    assert all(seeds_of(PAPER, name) == SHAPES[name].get("seeds", PAPER["seeds"]) for name in SHAPES)


def test_every_experiment_is_registered_once_with_a_figure_of_its_own():
    scripts = [experiment.figure_script for experiment in EXPERIMENTS.values()]
    assert len(set(scripts)) == len(scripts)
    drawn = {str(path.relative_to(PROJECT)) for path in (PROJECT / "workflow/figures").glob("*.py")}
    assert drawn == {*scripts, *map(overview_script, OVERVIEWS)}
    assert all((PROJECT / path).is_file() for one in EXPERIMENTS.values() for path in one.files)
    titles = [experiment.title for experiment in EXPERIMENTS.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("experiment", COUNTS)
def test_cells_of_the_papers_grid(experiment):
    cells = cells_of(PAPER, experiment)
    assert len(cells) == COUNTS[experiment]
    # In a table, a row is known by these.
    names = Counter((cell.network, cell.method, cell.options, cell.words) for cell in cells)
    assert set(names.values()) == {1}
    assert {cell.network for cell in cells} == set(SHAPES[experiment]["networks"])
    assert all(cell.dataset == PAPER["networks"][cell.network] for cell in cells)
    slots = {cell.options for cell in cells if cell.method in ("greedy", "probabilistic")}
    assert slots == set(SHAPES[experiment].get("options", ()))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_each_cell_trains_something_else_and_is_called_something_else(experiment):
    config = make_config()
    cells = cells_of(config, experiment)
    assert len({cell_run(config, cell, 0).identity for cell in cells}) == len(cells)
    assert len({(cell.network, cell.method, cell.options, cell.words) for cell in cells}) == len(cells)


def test_each_run_is_one_run_with_one_folder_whichever_experiments_need_it():
    needed = Counter(run.identity for name in SHAPES for run in experiment_runs(PAPER, name))
    runs = grid_runs(PAPER)
    assert len(runs) == len({run.identity for run in runs}) == len({run.folder for run in runs}) == len(needed)
    folders = {}
    for name in SHAPES:
        for run in experiment_runs(PAPER, name):
            assert folders.setdefault(run.identity, run.folder) == run.folder
    # The greedy slot machine of conv6 with K = 8 is needed by all but random-vs-selected and vgg.
    plain = next(run for run in runs if (run.network, run.method, run.options, run.seed) == ("conv6", "greedy", 8, 0))
    assert needed[plain.identity] == 12


def test_factors_together_that_are_the_grids_own_recipe_are_no_runs_of_their_own():
    # That recipe is the paper's text with the value bound and the score range of the code; the study also has it whole.
    study = {run.identity for run in experiment_runs(PAPER, "recipe-study") if run.network == "lenet"}
    sweep = {run.identity for run in experiment_runs(PAPER, "k-sweep") if run.network == "lenet"}
    assert len(study & sweep) == 3 * 3  # K = 2, K = 8 and learned weights, three seeds


@pytest.mark.parametrize("experiment", ["finetune", "finetune-checkpoints", "vgg"])
def test_finetuning_is_compared_at_equal_total_epochs(experiment):
    for network in SHAPES[experiment]["networks"]:
        cells = [cell for cell in cells_of(PAPER, experiment) if cell.network == network]
        epochs = settings_of(next(cell for cell in cells if cell.method == "greedy")).epochs
        finetuned = [cell for cell in cells if cell.start_epoch]
        assert finetuned and {settings_of(cell).epochs for cell in finetuned} == {epochs}
        assert sum(cell.method == "learned" and settings_of(cell).epochs == epochs for cell in cells) == 1
        for cell in finetuned:
            run = cell_run(PAPER, cell, 1)
            assert run.parent == cell_run(PAPER, next(one for one in cells if one.method == "greedy"), 1)
            assert run.start_epoch == cell.start_epoch
            assert str(cell.start_epoch) in cell.words and not cell.is_comparable


def test_finetuning_starts_from_every_tenth_epoch():
    for network in SHAPES["finetune-checkpoints"]["networks"]:
        cells = [cell for cell in cells_of(PAPER, "finetune-checkpoints") if cell.network == network]
        assert [cell.start_epoch for cell in cells if cell.start_epoch] == list(range(10, 200, 10))
        slot = cell_run(PAPER, cells[0], 0)
        assert kept_epochs(experiment_runs(PAPER, "finetune-checkpoints"))[slot.identity] == list(range(10, 200, 10))


def test_vgg_is_compared_with_learned_weights_at_their_own_epochs_too():
    learned = {cell.words: cell for cell in cells_of(PAPER, "vgg") if cell.method == "learned"}
    assert {variant: settings_of(cell).epochs for variant, cell in learned.items()} == {"": 320, "220 epochs": 220}
    assert learned[""].is_comparable and not learned["220 epochs"].is_comparable


def test_a_slot_machine_shares_its_values_in_one_setting_alone():
    for plain, layer, network in zip(*[iter(cells_of(PAPER, "sharing"))] * 3, strict=True):
        same = {(cell.network, cell.method, cell.options) for cell in (plain, layer, network)}
        assert len(same) == 1 and not plain.changes
        assert [dict(cell.changes) for cell in (layer, network)] == [{"sharing": "layer"}, {"sharing": "network"}]
        assert [settings_of(cell).sharing for cell in (plain, layer, network)] == ["none", "layer", "network"]


def test_sharing_reaches_the_network_that_is_trained(train, tmp_path):
    tables = {
        sharing: option_table(starting_network(tiny_run(sharing=sharing), torch.device("cpu"), None))
        for sharing in ("none", "layer", "network")
    }
    values = {
        sharing: [values.flatten(end_dim=-2) for values, _ in table.values()] for sharing, table in tables.items()
    }
    assert all(not torch.equal(layer[0], layer[1]) for layer in values["none"])
    for sharing in ("layer", "network"):
        assert all((layer == layer[0]).all() for layer in values[sharing])
    relative = {sharing: [layer[0] / layer[0].abs().max() for layer in values[sharing]] for sharing in values}
    assert all(torch.allclose(*pair) for pair in pairwise(relative["network"]))
    assert not any(torch.allclose(*pair) for pair in pairwise(relative["layer"]))
    # Scores stay one per connection and option.
    assert all(not torch.equal(scores[0, 0], scores[0, 1]) for _, scores in tables["layer"].values())
    train(tiny_run(sharing="layer"))
    weights = load_file(tmp_path / "run/weights/best.safetensors")
    assert {len(weight.unique()) for weight in weights.values()} == {4}


def test_rivals_are_trained_in_the_settings_of_their_authors_whatever_the_grid_gives_its_networks():
    grid = {**PAPER, "settings": {"conv2": {"epochs": 3}}}
    cells = [cell for cell in cells_of(grid, "rivals") if cell.network == "conv2"]
    runs = {(cell.method, cell.words): cell_run(grid, cell, 0) for cell in cells}
    assert {method for method, _ in runs} == {"greedy", "learned", "random", *RIVALS}
    assert runs["greedy", ""].settings.epochs == runs["learned", ""].settings.epochs == 3
    popup = runs["edge_popup", ""]
    assert (popup.recipe, popup.settings.epochs, popup.settings.method_settings) == ("ramanujan", 100, {"keep": 0.5})
    assert runs["supermask", ""].settings.learning_rate == 100 and runs["supermask", ""].settings.epochs == 2000
    learned = runs["learned", "as Ivan and Florian train them"].settings
    assert (learned.optimiser, learned.learning_rate, learned.batch_size) == ("adam", 2e-4, 25)
    pruned = runs["free_pruning", ""].settings
    assert (pruned.optimiser, pruned.learning_rate, pruned.augmentation) == ("adam", 3e-3, "none")


def test_a_grid_can_put_a_shorter_recipe_in_the_place_of_a_rivals_own(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text("{description: short, extends: ramanujan, settings: {epochs: 7}}")
    grid = {**PAPER, "recipes": {"ramanujan": str(path)}}
    cell = next(cell for cell in cells_of(grid, "rivals") if cell.method == "edge_popup")
    assert cell_run(grid, cell, 0).settings.epochs == 7 and cell_run(PAPER, cell, 0).settings.epochs == 100


def test_a_recipe_takes_exactly_the_settings_of_the_other_one():
    cells = cells_of(PAPER, "recipe-study")
    recipes = {(cell.network, cell.options, cell.recipe): cell for cell in cells if not cell.changes}
    assert {recipe for _, _, recipe in recipes} == {"paper", "code", "paper-glorot"}
    for cell in cells:
        ours = settings_of(recipes[cell.network, cell.options, cell.recipe])
        if isinstance(cell.variant, AsSlotMachine):
            theirs = settings_of(recipes[cell.network, 8, cell.recipe])
        else:
            other = {"paper": "code", "code": "paper", "paper-glorot": "code"}[cell.recipe]
            theirs = settings_of(recipes[cell.network, cell.options, other])
        mixed = settings_of(cell)
        changed = {name for name in vars(ours) if getattr(mixed, name) != getattr(ours, name)}
        assert changed == set(dict(cell.changes))
        assert all(getattr(mixed, name) == getattr(theirs, name) for name in changed)
        if isinstance(cell.variant, MixedRecipe):
            wanted = {name for factor in cell.variant.factors for name in FACTORS[factor]}
            assert changed == {name for name in wanted if getattr(ours, name) != getattr(theirs, name)}
            assert all(changed & set(FACTORS[factor]) for factor in cell.variant.factors)
        else:
            assert not changed and cell.words == recipe_name(cell.recipe)


def factors_taken(recipe, network, method="greedy"):
    return {
        ", ".join(cell.variant.factors)
        for cell in cells_of(PAPER, "recipe-study")
        if (cell.recipe, cell.network, cell.method) == (recipe, network, method)
        and isinstance(cell.variant, MixedRecipe)
    }


def test_what_the_recipes_agree_about_is_no_factor():
    together = {"value bound, score range", "restarts, weight decay"}
    all_three = "augmentation, weight decay, padding"
    for recipe in ("paper", "code"):
        assert factors_taken(recipe, "conv6") == set(FACTORS) | together | {all_three}
        assert factors_taken(recipe, "lenet") == set(FACTORS) - {"padding", "augmentation"} | together
    text = {"learning rate", "restarts", "weight decay", "padding", "augmentation"}
    assert factors_taken("paper-glorot", "conv6") == text | {"restarts, weight decay", all_three}


def test_learned_weights_take_what_they_can_take_from_the_code_or_from_slot_machines():
    from_code = {"padding", "augmentation", "augmentation, padding"}
    from_slots = {"restarts", "restarts, weight decay"}
    assert factors_taken("paper-glorot", "conv2", "learned") == from_code | from_slots
    assert factors_taken("paper", "conv2", "learned") == from_code | from_slots | {"value bound"}
    assert factors_taken("code", "conv2", "learned") == from_code | {"value bound"}  # its slot machines have neither


def test_a_study_of_two_recipes_keeps_its_runs_when_it_gets_a_third_and_learned_weights():
    study = SHAPES["recipe-study"]
    smaller = {name: value for name, value in study.items() if name != "learned"} | {"recipes": ["paper", "code"]}
    before = experiment_runs(with_study(smaller), "recipe-study")
    assert {run.identity for run in before} < {run.identity for run in experiment_runs(PAPER, "recipe-study")}


def with_study(study):
    return {**PAPER, "experiments": {"recipe-study": study}}


def test_large_k_tries_learning_rates_and_score_ranges():
    cells = [cell for cell in cells_of(PAPER, "large-k") if cell.network == "lenet"]
    for options in (64, 256, 1024, 4096):
        here = {cell.words: settings_of(cell) for cell in cells if cell.options == options}
        rates = {variant: settings.learning_rate for variant, settings in here.items()}
        assert rates == {
            "": 0.1, "learning rate 0.02": 0.02, "learning rate 0.05": 0.05, "learning rate 0.2": 0.2,
            "score range grows": 0.1,
        }  # fmt: skip
        grown = here.pop("score range grows")
        assert (grown.score_range_conv, grown.score_range_linear) == (options / 8, options / 8)
        assert {(one.score_range_conv, one.score_range_linear) for one in here.values()} == {(1, 1)}


def test_the_recipes_own_learning_rate_and_score_range_are_tried_once():
    shape = {"networks": ["lenet"], "options": [8, 64], "learning_rates": [0.1, 0.2], "score_range_base": 8}
    cells = cells_of(PAPER | {"experiments": {"large-k": shape}}, "large-k")
    assert [(cell.options, cell.words) for cell in cells] == [
        (8, ""), (8, "learning rate 0.1"), (64, ""), (64, "learning rate 0.2"), (64, "score range grows"),
    ]  # fmt: skip
