"""Slot machines: how a network becomes one, what it selects and trains, and how it is kept. See docs/method.md."""
