"""What may compute the denoiser of a latent model (`audiodiff.synthesis.engine`). Imports no torch."""

__all__ = ["ENGINES"]

ENGINES = ("torch", "onnx", "openvino")
