"""The commands that the recipes register: argument parsing only."""
