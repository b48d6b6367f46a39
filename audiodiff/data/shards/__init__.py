"""Shards of latents with captions and labels: `format` says what they look like, `dataset` draws from them."""

from audiodiff.data.shards.dataset import LatentBatch, LatentDataset
from audiodiff.data.shards.format import ClipRecord, ShardIndex, TimedChord
from audiodiff.data.shards.writer import LatentClip, ShardWriter

__all__ = ["ClipRecord", "LatentBatch", "LatentClip", "LatentDataset", "ShardIndex", "ShardWriter", "TimedChord"]
