"""Tiny pipelines of diffusers with random weights, written as diffusers saves them."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers

RATE = 16000
WORDS = ("solo", "piano", "drums", "slow", "loud", "noise")


def write_pipeline(folder: Path, build: Callable[[], Any]) -> Path:
    """Save a pipeline with the weights of one seed, as safetensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            pipeline = build()
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=8, **names)


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=16, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))


def _oobleck() -> Any:
    """A stereo autoencoder of waveforms, 512 samples for each latent."""
    from diffusers import AutoencoderOobleck

    return AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[4, 8, 16],
        decoder_channels=4,
        decoder_input_channels=4,
        audio_channels=2,
        channel_multiples=[1, 2, 4],
        sampling_rate=RATE,
    )


def stable_audio() -> Any:
    """Windows of 32 latents, 1.024 s; the stochastic scheduler of Stable Audio Open."""
    from diffusers import CosineDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
    from diffusers.pipelines.stable_audio import StableAudioProjectionModel

    transformer = StableAudioDiTModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=2,
        num_key_value_attention_heads=2,
        cross_attention_dim=8,
        cross_attention_input_dim=8,
        time_proj_dim=8,
        global_states_input_dim=16,
    )
    return StableAudioPipeline(
        vae=_oobleck(),
        text_encoder=_t5(),
        projection_model=StableAudioProjectionModel(text_encoder_dim=8, conditioning_dim=8, min_value=0, max_value=32),
        tokenizer=_tokenizer(),
        transformer=transformer,
        scheduler=CosineDPMSolverMultistepScheduler(sigma_min=0.3, sigma_max=500, sigma_data=1.0),
    )


def audioldm2() -> Any:
    """One channel; 16 samples for each frame of the mel."""
    from diffusers import (
        AudioLDM2Pipeline,
        AudioLDM2ProjectionModel,
        AudioLDM2UNet2DConditionModel,
        AutoencoderKL,
        DDIMScheduler,
    )
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        GPT2Config,
        GPT2LMHeadModel,
        RobertaTokenizer,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
        T5Tokenizer,
    )

    unet = AudioLDM2UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=16,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(8, 8),
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        norm_num_groups=8,
        latent_channels=4,
    )
    layers = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "projection_dim": 8}
    clap = ClapConfig(
        text_config={**layers, "vocab_size": 16, "num_attention_heads": 2, "max_position_embeddings": 32},
        audio_config={
            **layers,
            "spec_size": 16,
            "window_size": 4,
            "num_mel_bins": 16,
            "hidden_size": 16,
            "depths": [1, 1],
            "num_hidden_layers": 2,
            "num_attention_heads": [1, 1],
            "patch_embeds_hidden_size": 8,
            "num_classes": 2,
        },
        projection_dim=8,
    )
    pieces = [(piece, -1.0) for piece in ("<pad>", "</s>", "<unk>", "▁", *WORDS)]
    ends = {"bos_token_id": 1, "eos_token_id": 1}
    language_model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_head=2, n_layer=1, n_positions=64, vocab_size=16, **ends))
    language_model.config.max_new_tokens = 4
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=8,
        sampling_rate=RATE,
        upsample_initial_channel=8,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        normalize_before=False,
    )
    hifigan = SpeechT5HifiGan(vocoder)
    with torch.no_grad():  # as they come, they make next to no sound
        for parameter in hifigan.parameters():
            parameter.normal_(std=0.5)
    return AudioLDM2Pipeline(
        vae=vae,
        text_encoder=ClapModel(clap),
        text_encoder_2=_t5(),
        projection_model=AudioLDM2ProjectionModel(text_encoder_dim=8, text_encoder_1_dim=8, langauge_model_dim=8),
        language_model=language_model,
        tokenizer=RobertaTokenizer(
            vocab={
                word: index for index, word in enumerate(("<s>", "<pad>", "</s>", "<unk>", "<mask>", "s", "o", "p"))
            },
            merges=[],
            model_max_length=8,
        ),
        tokenizer_2=T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=8),
        feature_extractor=ClapFeatureExtractor(feature_size=16, hop_length=160),
        unet=unet,
        scheduler=DDIMScheduler(beta_schedule="scaled_linear"),
        vocoder=hifigan,
    )


def ace_step(*, tokens: bool = True) -> Any:
    """Stereo; without tokens it makes no covers."""
    from diffusers import AceStepPipeline, AceStepTransformer1DModel, FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.ace_step import (
        AceStepAudioTokenDetokenizer,
        AceStepAudioTokenizer,
        AceStepConditionEncoder,
    )
    from transformers import Qwen3Config, Qwen3Model

    sizes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 4,
        "sliding_window": 8,
    }
    semantic = {**sizes, "audio_acoustic_hidden_dim": 4, "num_attention_pooler_hidden_layers": 1}
    qwen = Qwen3Config(
        vocab_size=16,
        num_hidden_layers=1,
        hidden_size=8,
        intermediate_size=8,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
    )
    return AceStepPipeline(
        vae=_oobleck(),
        text_encoder=Qwen3Model(qwen),
        tokenizer=_tokenizer(),
        transformer=AceStepTransformer1DModel(
            **sizes, num_hidden_layers=2, in_channels=12, audio_acoustic_hidden_dim=4, encoder_hidden_size=8
        ),
        condition_encoder=AceStepConditionEncoder(
            **sizes,
            text_hidden_dim=8,
            timbre_hidden_dim=4,
            num_lyric_encoder_hidden_layers=1,
            num_timbre_encoder_hidden_layers=1,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        audio_tokenizer=AceStepAudioTokenizer(**semantic, fsq_dim=8, fsq_input_levels=[4, 4]) if tokens else None,
        audio_token_detokenizer=AceStepAudioTokenDetokenizer(**semantic) if tokens else None,
    )
