"""Models: configs, assembly and checkpoints."""
