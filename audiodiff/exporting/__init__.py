"""Models for other runtimes: networks as ONNX graphs, sampling runs as tables, settings as JSON."""
