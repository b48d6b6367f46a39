"""Corpora, manifests, datasets and data checks."""
