"""Audio as tensors: mel specifications, frames, levels, resampling and sound files."""
