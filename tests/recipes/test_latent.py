import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch

from audiodiff.data.corpora import CORPORA, SC09_WORDS, AudioItem
from audiodiff.data.dataset import AudioDataset
from audiodiff.data.shards import LatentDataset
from audiodiff.errors import AudiodiffError
from audiodiff.models import find
from audiodiff.models.autoencoder import MelAutoencoder
from audiodiff.models.checkpoint import load_checkpoint, read_config, save_checkpoint, weights_hash
from audiodiff.models.mel_latent import KEY, MelLatent, MelLatentLoss
from audiodiff.nn.condition import Condition
from audiodiff.signal import mel
from audiodiff.training.devices import open_devices
from audiodiff_recipes import autoencoder, latent
from audiodiff_recipes.clip_labels import Segment, beats_of, captions, numbers_of
from audiodiff_recipes.corpus import CorpusName
from audiodiff_recipes.encode import encode_corpus, encode_waveform, encoding_of
from audiodiff_recipes.latent_shards import check_shards, open_shards, unknown_to
from audiodiff_recipes.presets import PRESETS, names_of
from tests.models.vocoder.cases import ANCHORED, make
from tests.recipes.corpus import write_corpus
from tests.recipes.latent_corpus import CAPTIONS, make_place, tiny
from tests.refusals import refused


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_place(tmp_path_factory.mktemp("latent"))


def _held_out(items: Sequence[AudioItem]) -> list[AudioItem]:
    return [dataclasses.replace(item, split="valid" if "held-out" in item.path.name else "train") for item in items]


def test_the_shipped_models_fit_their_budget() -> None:
    model = latent.MelLatent(latent.RECIPE.preset("music").model)
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 28 * 2**20  # fp16; the vocoder has the rest


def test_shards_hold_what_the_autoencoder_and_the_metadata_say(place: Path) -> None:
    data = LatentDataset(place / "shards" / "train")
    assert len(data) == 5
    assert data.index.numbers == ("tempo", "seconds")
    first = data.clips[0]
    assert first.texts == (CAPTIONS[0], "piano")
    assert first.numbers["tempo"] == 60.0
    assert first.classes == {"source": "rendered"}
    assert data.clips[2].texts == ()
    # the latents are those of the whole clip, up to the rounding of float16
    model = load_checkpoint(place / "ae", MelAutoencoder)
    waveform, rate = soundfile.read(place / "corpus" / "clip0.wav", dtype="float32")
    assert rate == 22050
    samples = torch.from_numpy(waveform)
    samples = samples * (0.08 / samples.square().mean().sqrt())  # the level of every clip
    log_mel = mel.log_mel(samples[None], model.mel_spec)
    torch.testing.assert_close(data.latent(0), model.encode(log_mel)[0].detach(), rtol=0, atol=0.05)


def test_long_clips_are_encoded_in_blocks_as_in_one_go(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_checkpoint(place / "ae", MelAutoencoder)
    waveform = 0.1 * torch.randn(256 * 403, generator=torch.Generator().manual_seed(0))
    whole = encode_waveform(model, waveform)
    monkeypatch.setattr("audiodiff_recipes.encode._BLOCK_FRAMES", 128)
    torch.testing.assert_close(encode_waveform(model, waveform), whole, rtol=0, atol=1e-4)


def test_presets_for_corpora_name_layouts_and_what_the_model_knows() -> None:
    assert {"folder", *CORPORA} == set(get_args(CorpusName))
    layouts = {name: row.layout for name, row in PRESETS.items() if row.layout != "folder"}
    assert set(layouts.values()) <= set(CORPORA)
    assert set(layouts) <= set(names_of("latent"))
    assert encoding_of("music").numbers == latent.RECIPE.preset("music").model.numbers
    digits = encoding_of("sc09-latent")
    assert (digits.corpus, digits.numbers, digits.classes[0].values) == ("sc09", (), SC09_WORDS)
    refused("sc09-latent", lambda: encoding_of("sc09"))
    # shards of a codec preset are what the latent preset of that corpus expects
    for name, layout in layouts.items():
        codec = autoencoder.RECIPE.preset(name.replace("-latent", "-autoencoder"))
        assert codec.data.corpus == layout
        assert codec.model == latent.RECIPE.preset(name).model.autoencoder


def test_long_recordings_become_clips_whose_latents_join_to_the_whole(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    dice = np.random.default_rng(0)
    for name, n_samples in (("long", 22050 * 5 + 123), ("short", 9000)):
        soundfile.write(corpus / f"{name}.wav", 0.1 * dice.normal(size=n_samples), 22050)
    (corpus / "long.txt").write_text("noise")
    soundfile.write(corpus / "held-out.wav", 0.1 * dice.normal(size=9000), 22050)
    monkeypatch.setattr("audiodiff_recipes.encode.with_validation", _held_out)
    read: list[int] = []
    waveform = AudioDataset.waveform

    def spy(self: AudioDataset, index: int, start: int = 0, stop: int | None = None) -> torch.Tensor:
        part = waveform(self, index, start, stop)
        read.append(len(part))
        return part

    def encode(name: str) -> LatentDataset:
        counts = encode_corpus(str(corpus), tmp_path / name, autoencoder=place / "ae", cache=str(tmp_path / "cache"))
        data = LatentDataset(tmp_path / name / "train")
        assert counts["train"] == len(data)
        return data

    whole = encode("whole")
    monkeypatch.setattr(AudioDataset, "waveform", spy)
    monkeypatch.setattr("audiodiff_recipes.encode.SEGMENT_SECONDS", 1.0)
    parts = encode("parts")
    assert [clip.key for clip in whole.clips] == ["00000000", "00000001"]
    assert [clip.key for clip in parts.clips] == [*(f"00000000-{part:03d}" for part in range(6)), "00000001"]
    assert max(read) < 22050 * 2  # a segment and what the encoder sees around it
    assert max(clip.seconds for clip in parts.clips) <= 1.0
    assert sum(clip.seconds for clip in parts.clips) == pytest.approx(whole.seconds, abs=1e-3)
    assert parts.clips[3].texts == ("noise",)
    assert parts.clips[3].numbers["seconds"] == parts.clips[3].seconds
    joined = torch.cat([parts.latent(part) for part in range(6)], dim=-1)
    torch.testing.assert_close(joined, whole.latent(0), rtol=0, atol=0.01)  # float16
    assert torch.equal(parts.latent(6), whole.latent(1))


def test_shards_hold_the_classes_of_the_model(place: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "digits"
    write_corpus(corpus)
    rows = (corpus / "metadata.csv").read_text().splitlines()
    words = ["word", "zero", "nine", "", "one", "two", "three", "four"]
    (corpus / "metadata.csv").write_text(
        "\n".join(f"{row},{word}" for row, word in zip(rows, words, strict=True)) + "\n"
    )
    (corpus / "clip4.wav").write_bytes(b"no sound")
    skipped: list[str] = []
    wanted = encoding_of("sc09-latent")

    def encode(output: Path) -> dict[str, int]:
        return encode_corpus(
            str(corpus),
            output,
            autoencoder=place / "ae",
            numbers=wanted.numbers,
            classes=wanted.classes,
            cache=str(tmp_path / "cache"),
            on_skip=skipped.append,
        )

    assert encode(tmp_path / "shards") == {"train": 4, "valid": 2}
    assert len(skipped) == 1
    assert "clip4.wav" in skipped[0]
    data = LatentDataset(tmp_path / "shards" / "train")
    assert [clip.classes for clip in data.clips] == [{"word": "zero"}, {"word": "nine"}, {}, {"word": "one"}]
    batch = data.batch(0, 0, 8, 4)
    assert batch.numbers.shape == (8, 0)
    assert set(batch.classes[:, 0].tolist()) <= {0, 1, 2, 10}
    changes = {"data.folder": str(tmp_path / "shards"), "autoencoder": str(place / "ae")}
    given = {**changes, "output": str(tmp_path / "run"), "data.crop_latents": "8", "train.precision": "fp32"}
    shape = {"dit.width": "32", "dit.depth": "1", "dit.heads": "2", "train.steps": "2", "train.batch_size": "3"}
    run = latent.train(latent.configure("sc09-latent", {**given, **shape}), resume=False)
    assert load_checkpoint(run, MelLatent).config.classes[0].name == "word"
    with pytest.raises(AudiodiffError, match=r"audiodiff encode --preset music"):
        latent.train(latent.configure("music", {**changes, "output": str(tmp_path / "no")}), resume=False)
    (corpus / "metadata.csv").write_text("file_name,split,word\nclip0.wav,train,ten\n")
    refused(r"clip0\.wav has word 'ten'", lambda: encode(tmp_path / "no"))


def test_training_ends_as_a_checkpoint_that_says_what_it_knows(place: Path) -> None:
    run = latent.train(tiny(place, "whole"), resume=False)
    model = load_checkpoint(run, MelLatent)
    trained = load_checkpoint(place / "ae", MelAutoencoder)
    assert torch.equal(model.autoencoder.latent_mean, trained.latent_mean)
    metadata = read_config(run)["metadata"]
    assert metadata["step"] == 3
    assert metadata["corpus"]["clips"] == 5
    assert metadata["corpus"]["licences"] == ["CC0-1.0"]
    assert metadata["sampling"]["window_seconds"] > 0
    assert "--autoencoder" in metadata["command"]


def test_the_limits_of_an_autoencoder_go_with_it(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "ae", tmp_path / "ae")
    assert "band_limits" not in latent.describe(tiny(place, "whole"))["sampling"]
    config = json.loads((tmp_path / "ae" / "config.json").read_text())
    config["metadata"]["sampling"] = {"band_limits": [-1.0, -2.0]}
    (tmp_path / "ae" / "config.json").write_text(json.dumps(config))
    sampling = latent.describe(tiny(place, "whole", autoencoder=str(tmp_path / "ae")))["sampling"]
    assert sampling["band_limits"] == [-1.0, -2.0]


def test_a_trained_model_goes_on_with_its_own_autoencoder_and_vocoder(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = latent.train(tiny(place, "first"), resume=False)
    save_checkpoint(trained / "vocoder", make(ANCHORED), {})
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    trained.rename(tmp_path / "known")
    shards = tmp_path / "shards"
    encode_corpus(str(place / "corpus"), shards, autoencoder="known", cache=str(place / "cache"))
    ours, theirs = (LatentDataset(folder / "train") for folder in (shards, place / "shards"))
    assert torch.equal(ours.latent(0), theirs.latent(0))
    names = {"autoencoder": "known", "vocoder": "known", "init": "known", "data.folder": str(shards)}
    run = latent.train(tiny(tmp_path, "further", **names, **{"validation.sounds": "false"}), resume=False)
    carried, given = (weights_hash(folder / "vocoder" / "model.safetensors") for folder in (run, tmp_path / "known"))
    assert carried == given
    assert read_config(run)["metadata"]["training"]["init"] == "known"
    assert "--init known" in read_config(run)["metadata"]["command"]
    origins = read_config(run)["metadata"]["origins"]
    assert set(origins) == {"init", "autoencoder"}
    assert origins["init"]["model"] == "known"
    assert origins["init"]["licences"] == ["CC0-1.0"]
    assert origins["init"]["weights_sha256"] == read_config(tmp_path / "known")["weights_sha256"]
    # what the first model started from is not lost in the second
    assert origins["init"]["origins"]["autoencoder"]["model"] == "ae"
    before, after = (load_checkpoint(each, MelLatent) for each in (tmp_path / "known", run))
    assert all(
        torch.equal(a, b) for a, b in zip(before.autoencoder.parameters(), after.autoencoder.parameters(), strict=True)
    )
    # Further from random weights than from those it began with.
    moved, fresh = (
        sum(float((a - b).detach().square().sum()) for a, b in zip(other.parameters(), after.parameters(), strict=True))
        for other in (before, latent.build_model(tiny(place, "unused", seed="9")))
    )
    assert moved < 0.1 * fresh


def test_a_stopped_run_goes_on_to_the_same_weights(place: Path) -> None:
    latent.train(tiny(place, "parts", 1), resume=False)
    latent.train(tiny(place, "parts", 3), resume=True)
    if not (place / "whole2").exists():
        latent.train(tiny(place, "whole2"), resume=False)
    parts, whole = (load_checkpoint(place / name, MelLatent).state_dict() for name in ("parts", "whole2"))
    # the cosine of a run of one step is another, but with warm-up all three steps are within it
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_another_autoencoder_or_encoder_is_refused(place: Path) -> None:
    other = autoencoder.configure(
        "tiny-autoencoder",
        {
            "data.folder": str(place / "corpus"),
            "data.cache": str(place / "cache"),
            "output": str(place / "other"),
            "train.steps": "1",
            "train.seed": "5",
        },
    )
    autoencoder.train(other, resume=False)
    with pytest.raises(AudiodiffError, match="another autoencoder"):
        latent.train(tiny(place, "no", autoencoder=str(place / "other")), resume=False)
    refused("text_encoder minilm", lambda: latent.train(tiny(place, "no", text_encoder="t5:google/t5"), resume=False))
    config = dataclasses.replace(tiny(place, "no"), autoencoder="")
    data = open_shards(config, "train")
    refused("autoencoder is not set", lambda: check_shards(data, config))


def test_recordings_can_be_drawn_more_often(place: Path) -> None:
    config = tiny(place, "no", recorded_weight="3.0")
    data = open_shards(config, "train")
    plain = open_shards(tiny(place, "no"), "train")
    # every clip here is rendered, so nothing changes
    assert torch.equal(data.batch(0, 0, 8, 4).index, plain.batch(0, 0, 8, 4).index)


def test_folders_can_be_drawn_more_often(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "shards", tmp_path / "more")
    folders = f"{place / 'shards'},{tmp_path / 'more'}"
    data = open_shards(tiny(place, "no", folder=folders, folder_weights="1.0,7.0"), "train")
    drawn = torch.cat([data.batch(0, step, 100, 4).index for step in range(20)])
    assert (drawn >= 5).float().mean().item() == pytest.approx(7 / 8, abs=0.03)
    twice = f"{place / 'shards'},{place / 'shards'}"
    refused(
        "the same shards twice", lambda: open_shards(tiny(place, "no", folder=twice, folder_weights="1,2"), "train")
    )
    refused("2 numbers and", lambda: open_shards(tiny(place, "no", folder_weights="1.0,2.0"), "train"))


def test_metadata_that_is_no_number_is_named() -> None:
    refused("tempo 'fast'", lambda: numbers_of(AudioItem(Path("a.wav"), extra={"tempo": "fast"})))
    assert captions(AudioItem(Path("a.wav"), text=" ", extra={"text1": "b", "text3": "c"})) == ("b", "c")


def test_the_codec_is_that_of_the_checkpoint_and_stays_as_it_is(place: Path) -> None:
    codec = latent.build_model(tiny(place, "no")).autoencoder
    theirs = load_checkpoint(place / "ae", MelAutoencoder).state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in codec.state_dict().items())
    assert not any(parameter.requires_grad for parameter in codec.parameters())


def test_beats_come_from_the_score_or_the_sound(tmp_path: Path) -> None:
    rate = 22050
    generator = np.random.default_rng(0)
    waveform = 0.001 * generator.standard_normal(8 * rate)
    for time in np.arange(0.4, 7.9, 0.6):
        start = round(time * rate)
        waveform[start : start + 1000] += 0.3 * generator.standard_normal(1000) * np.exp(-np.arange(1000) / 100)
    soundfile.write(tmp_path / "a.wav", waveform.astype(np.float32), rate)

    def beats(part: Segment | None = None, **extra: str) -> tuple[float, ...]:
        item = AudioItem(tmp_path / "a.wav", sample_rate=rate, n_samples=8 * rate, extra=extra)
        clips = AudioDataset([item], rate, tmp_path / "cache")
        return beats_of(item, clips, 0, part or Segment(0, 8 * rate))

    assert beats() == ()
    found = beats(tempo="100")
    off = (np.array(found[1:-2]) - 0.4 + 0.3) % 0.6 - 0.3
    assert float((np.abs(off) < 0.05).mean()) > 0.8
    assert 12 <= len(found) <= 16
    said = beats(tempo="100", first_beat="0.1")
    np.testing.assert_allclose(said, 0.1 + 0.6 * np.arange(14), atol=1e-3)
    later = beats(Segment(2 * rate, 5 * rate), tempo="100", first_beat="0.1")
    np.testing.assert_allclose(np.array(later) + 2.0, 0.1 + 0.6 * np.arange(4, 9), atol=1e-3)
    refused("first_beat 'soon'", lambda: beats(tempo="100", first_beat="soon"))


def test_beats_and_keys_are_learnt_later_than_the_rest(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = latent.train(tiny(place, "no-beats"), resume=False)
    assert not load_checkpoint(first, MelLatent).config.beats
    deaf = latent.train(tiny(place, "deaf", **{"model.beats": "true"}), resume=False)  # beats may be unknown
    assert load_checkpoint(deaf, MelLatent).config.beats
    assert "no clip has a tempo" in capsys.readouterr().err
    settings = {"model.beats": "true", "model.chords": "true", "init": str(first)}
    assert "no clip has chords" in unknown_to(
        open_shards(tiny(place, "chords", **settings), "train"), tiny(place, "chords", **settings)
    )
    told = tiny(place, "beats", **settings)
    told = dataclasses.replace(told, model=dataclasses.replace(told.model, classes=(*told.model.classes, KEY)))
    model, before = latent.build_model(told), load_checkpoint(first, MelLatent)
    theirs = dict(before.named_parameters())
    fresh = {name for name, parameter in model.named_parameters() if name not in theirs}
    fresh_layers = ("beat_embedding.projection", "chord_embedding.projection", "condition_embedding.class_embeddings.1")
    assert fresh == {f"network.{name}.weight" for name in fresh_layers}
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in model.named_parameters() if name in theirs)
    save_checkpoint(tmp_path / "with-beats", model, {})
    with pytest.raises(AudiodiffError, match=r"model\.(beats|chords|classes)"):
        latent.build_model(tiny(place, "back", init=str(tmp_path / "with-beats")))


def test_training_tells_a_model_its_chords_except_where_they_are_withheld(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def trained(share: float, chords: str) -> None:
        seen.clear()
        config = tiny(place, "told", **{"model.chords": chords, "data.drop_chords": str(share), "data.drop_all": "0"})
        data, model = open_shards(config, "train"), latent.build_model(config)
        draw = data.batch
        steady = torch.ones(config.train.batch_size, 24, 16)
        monkeypatch.setattr(data, "batch", lambda *given: dataclasses.replace(draw(*given), chords=steady))
        loss = model.loss
        monkeypatch.setattr(
            model, "loss", lambda x, cond, *rest, **told: seen.append(cond.chords) or loss(x, cond, *rest, **told)
        )
        trained = latent.model_with_loss(model, data, config, open_devices("cpu"))
        for step in range(6):
            trained.loss_fn(step, torch.Generator().manual_seed(step))

    trained(0.0, "true")
    assert all(torch.equal(chords, torch.ones_like(chords)) for chords in seen)
    trained(1.0, "true")
    assert all(chords.shape[2] == 16 and chords.isnan().all() for chords in seen)
    trained(0.0, "false")
    assert all(chords.shape[2] == 0 for chords in seen)


def test_training_tells_a_model_its_beats_except_where_they_are_withheld(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def trained(share: float, beats: str) -> None:
        seen.clear()
        config = tiny(place, "told", **{"model.beats": beats, "data.drop_beats": str(share), "data.drop_all": "0"})
        data, model = open_shards(config, "train"), latent.build_model(config)
        draw = data.batch
        steady = torch.arange(16.0).repeat(config.train.batch_size, 1)
        monkeypatch.setattr(data, "batch", lambda *given: dataclasses.replace(draw(*given), beats=steady))
        loss = model.loss
        monkeypatch.setattr(
            model, "loss", lambda x, cond, *rest, **told: seen.append(cond.beats) or loss(x, cond, *rest, **told)
        )
        trained = latent.model_with_loss(model, data, config, open_devices("cpu"))
        for step in range(10):
            trained.loss_fn(step, torch.Generator().manual_seed(step))

    trained(0.0, "true")
    assert all(torch.equal(beats[0], torch.arange(16.0)) for beats in seen)
    trained(1.0, "true")
    assert all(beats.shape[1] == 16 and beats.isnan().all() for beats in seen)
    trained(0.5, "true")
    withheld = torch.cat([beats.isnan().all(dim=1) for beats in seen])
    assert 0.2 < float(withheld.float().mean()) < 0.8
    trained(0.0, "false")
    assert all(beats.shape[1] == 0 for beats in seen)


def test_training_tells_a_model_what_it_has_to_fit_and_asks_for_the_rest(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Condition] = []

    def told(**settings: str) -> torch.Tensor:
        """Which items are told latents, after ten steps."""
        seen.clear()
        changes = {f"data.{name}": value for name, value in settings.items()}
        config = tiny(place, "told", **{"model.known": "true", "data.drop_all": "0", "data.drop_text": "0", **changes})
        data, model = open_shards(config, "train"), latent.build_model(config)
        loss = model.loss

        def spy(x: torch.Tensor, cond: Condition, *rest: torch.Tensor, wanted: None = None) -> MelLatentLoss:
            seen.append(cond)
            given = ~cond.known.isnan()
            assert torch.equal(cond.known[given], x[given])
            result = loss(x, cond, *rest)
            # what is told is not asked for: another target there changes nothing
            other = torch.where(given, x + 1.0, x)
            noise = rest[1] - torch.where(given, 1.0, 0.0) * ((1 - rest[0]) / rest[0])[:, None, None]
            again = loss(other, cond, rest[0], noise, *rest[2:])  # the same state
            torch.testing.assert_close(again.per_item, result.per_item, rtol=1e-3, atol=1e-3)
            return result

        monkeypatch.setattr(model, "loss", spy)
        trained = latent.model_with_loss(model, data, config, open_devices("cpu"))
        for step in range(10):
            trained.loss_fn(step, torch.Generator().manual_seed(step))
        return torch.cat([(~cond.known.isnan()).any(dim=(1, 2)) for cond in seen])

    assert not told(complete="0").any()
    assert told(complete="1", complete_alone="0").all()
    assert any(cond.mask.any() for cond in seen)
    assert told(complete="1", complete_alone="1").all()
    assert not any(cond.mask.any() for cond in seen)
    assert 0.2 < float(told(complete="0.5").float().mean()) < 0.8


def test_completing_is_learnt_later_and_validated_by_itself(place: Path) -> None:
    first = latent.train(tiny(place, "incomplete"), resume=False)
    assert "completion_loss" not in (first / "log.jsonl").read_text()
    second = latent.train(tiny(place, "complete", **{"model.known": "true", "init": str(first)}), resume=False)
    assert "completion_loss" in (second / "log.jsonl").read_text()
    assert load_checkpoint(second, MelLatent).config.known
    refused(r"model\.known", lambda: latent.build_model(tiny(place, "incomplete-again", init=str(second))))


def test_completing_is_validated_on_gaps_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(place, "gaps", **{"model.known": "true"})
    data, model = open_shards(config, "valid"), latent.build_model(config)
    seen: list[Condition] = []
    loss = model.loss
    monkeypatch.setattr(model, "loss", lambda x, cond, *rest, **told: seen.append(cond) or loss(x, cond, *rest, **told))
    devices = open_devices("cpu")
    found = latent.validation_loss(model, data, config, devices, complete=True)
    assert found == latent.validation_loss(model, data, config, devices, complete=True)
    for cond in seen:
        assert not cond.mask.any()
        assert not cond.classes.any()
        gaps = cond.known.isnan().any(dim=1).float().mean(dim=1)
        assert bool(((gaps > 0.0) & (gaps < 1.0)).all())
    seen.clear()
    latent.validation_loss(model, data, config, devices)
    assert all(cond.known.shape[2] == 0 for cond in seen)
