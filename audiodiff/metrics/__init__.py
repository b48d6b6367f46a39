"""Objective measures of audio quality, their statistics, and the baselines they are read against.

`scoring` has the table of measures; `speech`, `spectral` and `pitch` hold them, `baselines` the systems to
compare with, `stats` the intervals.
"""
