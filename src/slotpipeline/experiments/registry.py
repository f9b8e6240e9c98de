"""The experiments there are, in the order of configs and pages: one line each (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping

from slotpipeline.experiments import (
    accuracy_by_options,
    competitors,
    finetuning,
    inside_a_network,
    many_options,
    random_starts,
    recipe_comparison,
    recipes_as_they_are,
    tuned_baseline,
)
from slotpipeline.experiments.experiment import Experiment

_EXPERIMENTS = (
    accuracy_by_options.RANDOM_VS_SELECTED,
    accuracy_by_options.K_SWEEP,
    accuracy_by_options.SELECTION,
    accuracy_by_options.COST,
    finetuning.FINETUNE,
    finetuning.FINETUNE_CHECKPOINTS,
    inside_a_network.SHARING,
    competitors.RIVALS_EXPERIMENT,
    finetuning.VGG,
    inside_a_network.SELECTED_WEIGHTS,
    inside_a_network.CHURN,
    recipe_comparison.RECIPE_STUDY,
    recipes_as_they_are.WHOLE_RECIPES,
    tuned_baseline.TUNING,
    tuned_baseline.AGAINST_TUNED,
    many_options.LARGE_K,
    competitors.CONNECTIONS_CHANGED,
    random_starts.SIGNS,
    random_starts.INITIAL_WEIGHTS,
    competitors.BITS_EXPERIMENT,
)

EXPERIMENTS: Mapping[str, Experiment] = {experiment.name: experiment for experiment in _EXPERIMENTS}
