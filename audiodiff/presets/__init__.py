"""Ready-made training runs: settings with their reasons, presets, and the function that trains."""
