"""Recipes give each run the settings of the table that they stand for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotmachines import UserError
from slotpipeline.data.datasets import DATASETS
from slotpipeline.runs.authors_recipes import RIVAL_RECIPES
from slotpipeline.runs.recipe import Settings, load_recipe, make_settings, recipe_names

NETWORKS = {"lenet": "mnist", "conv2": "cifar10", "conv4": "cifar10", "conv6": "cifar10", "vgg19": "cifar10"}
RECIPES = ("paper", "code", "paper-glorot")
RESTARTS = ("warm-restarts", (25, 75))
CONSTANT = ("constant", ())


def resolve(recipe: str, network: str, method: str, options: int | None = None, **changes) -> Settings:
    return load_recipe(recipe).resolve(
        network=network, dataset=NETWORKS[network], method=method, options=options, changes=changes
    )


each = {
    "recipe": pytest.mark.parametrize("recipe", RECIPES),
    "network": pytest.mark.parametrize("network", NETWORKS),
    "options": pytest.mark.parametrize("options", [1, 2, 4, 8, 9, 16, 32, 64]),
}


def test_recipes_of_the_package():
    assert recipe_names() == sorted([*RECIPES, *RIVAL_RECIPES])
    assert all(load_recipe(name).name == name and load_recipe(name).description for name in recipe_names())


@each["recipe"]
@each["network"]
@each["options"]
def test_greedy_slot_machines(recipe, network, options):
    settings = resolve(recipe, network, "greedy", options)
    few = options <= 8
    schedule = settings.schedule, settings.schedule_epochs
    if recipe == "code":
        assert settings.learning_rate == (0.1 if few else 0.01)
        assert settings.epochs == (120 if network in ("lenet", "vgg19") else 140)
        assert schedule == (("steps", (80,)) if network == "vgg19" else CONSTANT)
        assert settings.weight_decay == (1e-4 if network == "vgg19" else 0)
    else:
        assert settings.learning_rate == (0.2 if few else 0.1)
        assert settings.epochs == (220 if network == "vgg19" else 200)
        assert schedule == RESTARTS and settings.weight_decay == 1e-4


@each["recipe"]
@each["network"]
@each["options"]
def test_probabilistic_slot_machines(recipe, network, options):
    settings = resolve(recipe, network, "probabilistic", options)
    schedule = settings.schedule, settings.schedule_epochs
    if recipe == "code":
        assert settings.learning_rate == (25 if network == "conv6" else 50)
        assert settings.epochs == (160 if network in ("lenet", "vgg19") else 180)
        assert schedule == (("steps", (80,)) if network == "vgg19" else CONSTANT)
        assert settings.weight_decay == (1e-4 if network == "vgg19" else 0)
    else:
        assert settings.learning_rate == 25 and schedule == RESTARTS
        assert settings.epochs == (220 if network == "vgg19" else 200)
        assert settings.weight_decay == (1e-4 if recipe == "paper" else 0)


@each["recipe"]
@each["network"]
@pytest.mark.parametrize("method", ["learned", "finetuned"])
def test_ordinary_training(recipe, network, method):
    settings = resolve(recipe, network, method)
    paper = {"lenet": 200, "conv2": 200, "conv4": 330, "conv6": 330, "vgg19": 320}
    code = {"lenet": 220, "conv2": 240, "conv4": 240, "conv6": 240, "vgg19": 220}
    assert settings.epochs == (code if recipe == "code" else paper)[network]
    assert (settings.learning_rate, settings.weight_decay) == (0.01, 0)
    assert (settings.schedule, settings.schedule_epochs) == CONSTANT


@each["recipe"]
@each["network"]
@pytest.mark.parametrize(
    ("method", "options"), [("greedy", 2), ("greedy", 64), ("probabilistic", 8), ("learned", None)]
)
def test_what_all_methods_share(recipe, network, method, options):
    settings = resolve(recipe, network, method, options)
    assert (settings.batch_size, settings.momentum) == (128, 0.9)
    assert settings.value_bound == ("glorot-deviation" if recipe == "paper" else "glorot-uniform")
    assert settings.score_range_conv == 1 and settings.score_range_linear == (0.1 if recipe == "paper" else 1)
    if network == "lenet":
        assert settings.validation == (10_000 if recipe == "code" else 9_000) and settings.augmentation == "none"
    else:
        assert settings.validation == 5_000
        assert settings.augmentation == ("flip" if recipe == "code" else "crop-flip")
    assert settings.sharing == "none"
    padding = "code" if recipe == "code" else "same"
    assert settings.network_settings == ({"padding": padding} if network.startswith("conv") else {})


@each["recipe"]
@pytest.mark.parametrize(("method", "options"), [("greedy", 8), ("probabilistic", 8), ("learned", None)])
def test_networks_that_the_paper_does_not_have_get_the_settings_of_all_networks(recipe, method, options):
    run = {"dataset": "cifar10", "method": method, "options": options}
    conv8, resnet20 = (load_recipe(recipe).resolve(network=name, **run) for name in ("conv8", "resnet20"))
    assert conv8 == resnet20 and conv8.network_settings == {}
    assert conv8 == replace(load_recipe(recipe).resolve(network="conv2", **run), network_settings={})


@each["recipe"]
def test_a_tenth_of_a_dataset_that_the_recipe_does_not_know_is_held_out(recipe, monkeypatch):
    monkeypatch.setitem(DATASETS, "letters", replace(DATASETS["mnist"], name="letters", train_count=26_004))
    run = {"network": "lenet", "dataset": "letters", "method": "learned", "options": None}
    assert load_recipe(recipe).resolve(**run).validation == 2_600
    assert load_recipe(recipe).resolve(**run, changes={"validation": 0.25}).validation == 6_501
    assert load_recipe(recipe).resolve(**run, changes={"validation": 7}).validation == 7
    for number in (0.0, 1.0, 1.5):
        with pytest.raises(UserError, match=f"the changed settings: validation cannot be {number}"):
            load_recipe(recipe).resolve(**run, changes={"validation": number})


def write(tmp_path, text, name="mine.yaml"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_a_recipe_from_a_file(tmp_path):
    path = write(
        tmp_path,
        """
description: mine
settings: {learning_rate: 1e-2, epochs: 3, validation: 10, weight_decay: 1}
overrides:
  - {when: {network: lenet}, set: {epochs: 4}}
  - {when: {network: [lenet, conv2], options_above: 8}, set: {epochs: 5}}
  - {when: {dataset: cifar10}, set: {epochs: 6}}
""",
    )
    assert load_recipe(path).name == "mine"
    settings = resolve(path, "lenet", "greedy", 8)
    assert (settings.epochs, settings.learning_rate, settings.weight_decay) == (4, 0.01, 1.0)
    assert isinstance(settings.weight_decay, float)
    # The last override that applies wins; changes win over all.
    assert [
        resolve(path, *run).epochs for run in [("lenet", "greedy", 9), ("conv2", "greedy", 9), ("lenet", "learned")]
    ] == [5, 6, 4]
    assert resolve(path, "conv2", "greedy", 9, epochs=7).epochs == 7


def test_a_recipe_that_builds_on_another(tmp_path):
    base = write(
        tmp_path,
        "{description: base, settings: {learning_rate: 1.0, epochs: 1, validation: 1, momentum: 0.5},"
        " overrides: [{when: {method: greedy}, set: {learning_rate: 2.0, epochs: 2}}]}",
        "base.yaml",
    )
    path = write(
        tmp_path,
        f"{{description: mine, extends: {base}, settings: {{learning_rate: 3.0}},"
        " overrides: [{when: {network: lenet}, set: {weight_decay: 4.0}}]}",
    )
    settings = resolve(path, "lenet", "greedy", 2)
    # Its settings win over the overrides of the base, its overrides over its settings; the rest is the base's.
    assert (settings.learning_rate, settings.epochs, settings.momentum, settings.weight_decay) == (3.0, 2, 0.5, 4.0)
    assert resolve(path, "conv2", "learned").learning_rate == 3.0


BAD_FILES = {
    "not valid YAML": "{description: [",
    "it must hold description, extends, settings, overrides, not": "[1, 2]",
    "description is missing; the recipes in src/slotpipeline/recipes show": "{settings: {}}",
    "unknown 'epochs'; use description, extends": "{description: d, epochs: 3}",
    r"settings cannot be '\[1\]'": "{description: d, settings: [1]}",
    "overrides cannot be '5'": "{description: d, overrides: 5}",
    "entry 1 of overrides: set is missing": "{description: d, overrides: [{when: {}}]}",
    "when: it must hold network, dataset": "{description: d, overrides: [{when: [network], set: {}}]}",
    "set cannot be 'None'": "{description: d, overrides: [{when: {}, set: }]}",
    "options_above cannot be 'few'": "{description: d, overrides: [{when: {options_above: few}, set: {}}]}",
    "when: unknown 'seed'; use network": "{description: d, overrides: [{when: {seed: 0}, set: {}}]}",
    "unknown recipe 'papr'": "{description: d, extends: papr}",
    "unknown setting rate": "{description: d, extends: paper, settings: {rate: 1}}",
    "does not set epochs, validation": "{description: d, settings: {learning_rate: 1.0}}",
    "epochs cannot be 'many'": "{description: d, extends: paper, settings: {epochs: many}}",
    "epochs cannot be 1.5": "{description: d, extends: paper, settings: {epochs: 1.5}}",
    "momentum cannot be True": "{description: d, extends: paper, settings: {momentum: true}}",
    "schedule_epochs cannot be": "{description: d, extends: paper, settings: {schedule_epochs: [a]}}",
    "epochs must be a number of at least 0, not -1": "{description: d, extends: paper, settings: {epochs: -1}}",
    "batch_size must be": "{description: d, extends: paper, settings: {batch_size: 0}}",
    "learning_rate must be a number of at least 0": "{description: d, extends: paper, settings: {learning_rate: -0.1}}",
    "inf is not finite": "{description: d, extends: paper, settings: {weight_decay: .inf}}",
    "unknown sharing 'all'": "{description: d, extends: paper, settings: {sharing: all}}",
    "unknown schedule 'cosine'": "{description: d, extends: paper, settings: {schedule: cosine}}",
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_bad_files(tmp_path, message):
    path = write(tmp_path, BAD_FILES[message])
    with pytest.raises(UserError, match=message) as error:
        resolve(path, "lenet", "learned")
    assert "\n" not in str(error.value) and "the changed settings" not in str(error.value)


def test_recipes_that_build_on_each_other(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(f"{{description: a, extends: {second}}}")
    second.write_text(f"{{description: b, extends: {first}}}")
    with pytest.raises(UserError, match=r"a\.yaml extends itself; remove an extends from .*a\.yaml -> .*b\.yaml -> "):
        load_recipe(str(first))


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(
        UserError, match=r"the recipe file .*none\.yaml does not exist; give a name \(code, frankle-carbin"
    ):
        load_recipe(str(tmp_path / "none.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"description: \xff")
    with pytest.raises(UserError, match="cannot read the recipe file"):
        load_recipe(str(tmp_path / "bytes.yaml"))
    with pytest.raises(UserError, match=r"unknown recipe 'fast': use one of code, frankle-carbin, .*, zhou, or a path"):
        load_recipe("fast")


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_with_the_name_of_a_recipe_of_the_package_is_refused(tmp_path, name):
    path = write(tmp_path, "{description: mine, extends: code}", f"{name}.yml")
    with pytest.raises(UserError, match=rf"recipe file .*{name}\.yml has the name of a recipe of the package; rename"):
        load_recipe(path)


@given(st.floats(0, 1e6), st.sampled_from(["learning_rate", "weight_decay", "score_range_conv"]))
def test_numbers_may_be_written_without_a_point(number, name):
    values = {"epochs": 1, "learning_rate": 1, "validation": 1}
    assert getattr(make_settings({**values, name: number}, "here"), name) == number
    assert getattr(make_settings({**values, name: f"{number:e}"}, "here"), name) == float(f"{number:e}")
