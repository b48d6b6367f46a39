"""The classes of pipelines of diffusers that our verbs can run, by name. Imports no torch."""

from collections.abc import Mapping
from types import MappingProxyType

from audiodiff.models.pipelines.ace_step import ACE_STEP
from audiodiff.models.pipelines.audioldm2 import AUDIOLDM2
from audiodiff.models.pipelines.interface import PipelineClass
from audiodiff.models.pipelines.stable_audio import STABLE_AUDIO

__all__ = ["PIPELINES"]

PIPELINES: Mapping[str, PipelineClass] = MappingProxyType(
    {row.name: row for row in (STABLE_AUDIO, AUDIOLDM2, ACE_STEP)}
)
"""Class name -> how it is called."""
