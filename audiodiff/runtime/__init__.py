"""Exported models without torch: ONNX Runtime runs their networks, NumPy does the rest.

`load(FOLDER)` opens what `audiodiff export MODEL --to onnx` wrote. What the networks compute and how they are sampled
comes out of the package's own code when a model is exported (`audiodiff.exporting`), so that there is one of each.
"""

from audiodiff.runtime.load import load

__all__ = ["load"]
