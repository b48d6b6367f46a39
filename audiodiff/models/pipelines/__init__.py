"""Pipelines of diffusers, and how each class of them is called. Imports neither torch nor diffusers."""

from audiodiff.models.pipelines.folder import PipelineFolder, find_pipeline
from audiodiff.models.pipelines.interface import PipelineClass, Request
from audiodiff.models.pipelines.table import PIPELINES

__all__ = ["PIPELINES", "PipelineClass", "PipelineFolder", "Request", "find_pipeline"]
