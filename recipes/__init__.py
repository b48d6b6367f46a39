"""The training recipes: settings with their reasons, presets, and `train` from a corpus to a checkpoint.

Installed under the name `audiodiff_recipes`, so that no top-level `recipes` gets into anybody's way; its modules import
each other relatively for that reason. Registers the commands `train`, `encode` and `caption`.
"""
