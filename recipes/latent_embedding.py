"""What the embeddings of clips are standardised by: those of the training clips."""

import torch

from audiodiff.data.shards import LatentDataset
from audiodiff.models.checkpoint import model_config_of
from audiodiff.models.find import find_checkpoint
from audiodiff.models.mel_latent import MelLatent, pooled

from .latent_config import Config

_BATCHES, _CROPS = 16, 64
"""How many are measured, and how many in each: of a thousand, mean and spread are known within a few percent."""


def standardise_embedding(model: MelLatent, data: LatentDataset, config: Config) -> None:
    """Measure the embeddings of training clips, if the model has them and none that it was trained with before."""
    if not model.config.embedding:
        return
    if config.init and model_config_of(find_checkpoint(config.init), MelLatent).get("embedding"):
        return
    batches = (data.batch(config.train.seed, step, _CROPS, max(config.data.crop_latents)) for step in range(_BATCHES))
    model.fit_embedding(torch.cat([pooled(batch.latents, batch.lengths) for batch in batches]))
