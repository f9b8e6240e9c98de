"""Numbers and names for readers, as tables, sentences and figures write them."""

from __future__ import annotations

import pandas as pd

from slotmachines.methods import METHODS, RIVALS
from slotmachines.networks.names import network_label
from slotpipeline.analysis.statistics import Interval
from slotpipeline.data.datasets import dataset_label

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def number(value: float | None, form: str = ".2f") -> str:
    """A number with a true minus sign; a dash where it is missing. What rounds to zero has no sign below it."""
    if pd.isna(value):
        return DASH
    text = format(value, form)
    if text.startswith("-") and not text.strip("-0."):
        text = format(0.0, form)
    return text.replace("-", MINUS)


def span(low: float | None, high: float | None, form: str = ".2f") -> str:
    """A range; a dash where it is missing."""
    return DASH if pd.isna(low) else f"{number(low, form)} to {number(high, form)}"


def interval_text(interval: Interval | None, form: str = ".2f") -> str:
    """An interval; a dash where there are too few seeds for one."""
    return DASH if interval is None else span(*interval, form)


def percent(value: float) -> str:
    """A percentage with two digits."""
    return f"{number(value, '.2g')}%"


def p_text(p: float | None) -> str:
    """A p-value."""
    if p is None:
        return DASH
    return "< 0.001" if p < 0.001 else number(p, ".3f")


def options_text(options: int | None) -> str:
    """The K of a table's row."""
    return DASH if options is None else str(options)


def method_name(method: str) -> str:
    """What tables and sentences call a method: a rival by its label, ours by their names."""
    return METHODS[method].label if method in RIVALS else method


def network_title(dataset: str, network: str) -> str:
    """A network and the dataset that it is trained on, such as `LeNet on MNIST`."""
    return f"{network_label(network)} on {dataset_label(dataset)}"
