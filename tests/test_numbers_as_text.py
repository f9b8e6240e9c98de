"""Numbers as readers see them."""

import math

import pytest

from slotpipeline.analysis.text import DASH, MINUS, number


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-0.004, ".2f", "0.00"),
        (-0.004, "+.2f", "+0.00"),
        (0.004, "+.2f", "+0.00"),
        (-0.006, "+.2f", f"{MINUS}0.01"),
        (-0.5, ".0f", "0"),
        (-1e-9, ".2g", f"{MINUS}1e{MINUS}09"),
        (math.nan, ".2f", DASH),
        (None, ".2f", DASH),
    ],
)
def test_what_rounds_to_zero_has_no_minus_sign(value: float | None, form: str, text: str) -> None:
    assert number(value, form) == text
