"""Colours against a background: their contrast, and what becomes of a figure's colours on a dark page."""

from __future__ import annotations

from colorsys import hls_to_rgb, rgb_to_hls

PAPER, DARK_PAPER = "#ffffff", "#14181d"
"""The background of a page, light and dark."""


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _text(red: float, green: float, blue: float) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in (red, green, blue))


def luminance(colour: str) -> float:
    """Relative luminance of a colour such as `#0072b2`, from 0 to 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21 (WCAG 2.2): marks need 3, small text 4.5."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def on_dark(colour: str) -> str:
    """What stands for a colour on a dark page: greys turned over, colours lightened until they can be read."""
    if colour == PAPER:
        return DARK_PAPER
    channels = _channels(colour)
    if max(channels) - min(channels) < 0.05:
        return _text(*(1 - 0.9 * channel for channel in channels))
    hue, lightness, saturation = rgb_to_hls(*channels)
    while contrast(colour, DARK_PAPER) < 4.5:
        lightness += 0.02
        colour = _text(*hls_to_rgb(hue, lightness, saturation))
    return colour
