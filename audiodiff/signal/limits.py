"""Bounds of what a recording may be, without what reads one."""

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
"""Sample rates (Hz) that a sound may have: what a header says beyond them is no recording, but costs memory."""

MAX_CHANNELS = 64
MAX_PEAK = 100.0
"""Samples beyond this (40 dB over full scale) are integers in a float file, or worse."""
