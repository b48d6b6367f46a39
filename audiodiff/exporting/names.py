"""Names of what an export can be asked for."""

from typing import Literal, get_args

__all__ = ["WEIGHTS", "Weights"]

Weights = Literal["exact", "fp32", "fp16", "int8"]
"""How weights are stored: those of networks in float32, rounded to float16, or with matrices, filters of convolutions
and word vectors in eight bits and a scale for each output. `exact`: in float16 what loses nothing by it, the rest in
float32, as the rest of `int8` is. Networks compute in float32 with all of them."""

WEIGHTS: tuple[Weights, ...] = get_args(Weights)
"""All of them; the first is the default."""
