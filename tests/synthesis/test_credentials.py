import stat
import sys
from functools import partial

import numpy as np
import pytest
import soundfile

from audiodiff.signal.sample_hash import samples_sha256
from audiodiff.signal.tags import read_tags, write_tags
from audiodiff.synthesis import credentials
from audiodiff.synthesis.credentials import COMPOSITE, FORMATS, GENERATED, find_signature, sign, signing_key
from tests.refusals import refused

pytest.importorskip("c2pa")
pytest.importorskip("cryptography")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder for the key of this installation, which is none of the user's."""
    monkeypatch.setenv(credentials.ENVIRONMENT, str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def sound(tmp_path):
    def write(name):
        path = tmp_path / name
        soundfile.write(path, np.random.default_rng(0).standard_normal(8000) * 0.1, 16000)
        write_tags(path, {"title": "a title"})
        return path

    return write


def signed(path, *inputs, source_type=GENERATED):
    sign(
        path,
        signing_key("own"),
        format=FORMATS[path.suffix],
        title=path.name,
        source_type=source_type,
        inputs=list(inputs),
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_signature_touches_no_sample_and_says_what_it_is_worth(suffix, sound) -> None:
    path = sound(f"a{suffix}")
    before, tags = samples_sha256(path), read_tags(path)
    assert find_signature(path) is None
    signed(path)
    assert samples_sha256(path) == before
    assert read_tags(path) == tags
    found = find_signature(path)
    assert (found.valid, found.trusted, found.problems) == (True, False, ())
    assert (found.issuer, found.source_type) == ("audiodiff installation", "trainedAlgorithmicMedia")
    assert found.sentence().startswith("valid, untrusted key")


def test_changed_bytes_are_seen(sound) -> None:
    path = sound("a.wav")
    signed(path)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    found = find_signature(path)
    assert not found.valid
    assert "assertion.dataHash.mismatch" in found.problems
    assert found.sentence().startswith("not valid")


def test_inputs_are_ingredients_signed_or_not(sound) -> None:
    from c2pa import Reader

    first, second, third, made = (sound(name) for name in ("first.wav", "second.flac", "third.ogg", "made.wav"))
    signed(first)
    signed(made, first, second, third, source_type=COMPOSITE)
    found = find_signature(made)
    assert (found.valid, found.source_type) == (True, "compositeWithTrainedAlgorithmicMedia")
    with made.open("rb") as stream, Reader("audio/wav", stream) as reader:
        manifest = reader.get_active_manifest()
    told = [(item["title"], item["relationship"], "active_manifest" in item) for item in manifest["ingredients"]]
    assert told == [
        ("first.wav", "parentOf", True),
        ("second.flac", "componentOf", False),
        ("third.ogg", "componentOf", False),
    ]
    actions = next(item for item in manifest["assertions"] if item["label"].startswith("c2pa.actions"))
    assert [action["action"] for action in actions["data"]["actions"]] == [
        "c2pa.opened",
        "c2pa.placed",
        "c2pa.placed",
        "c2pa.edited",
    ]


def test_the_key_of_the_installation_is_made_once_for_its_user_alone(folder) -> None:
    key = signing_key("own")
    assert key.algorithm == "es256"
    assert signing_key("own") == key
    if sys.platform != "win32":
        assert stat.S_IMODE((folder / "signing-key.pem").stat().st_mode) == 0o600


def test_keys_of_others(folder, sound, tmp_path) -> None:
    signing_key("own")
    pair = f"{folder / 'signing-certificates.pem'},{folder / 'signing-key.pem'}"
    assert signing_key(pair) == signing_key("own")
    (tmp_path / "no.pem").write_text("nothing")
    certificates = folder / "signing-certificates.pem"
    refused("expected own, or CERTIFICATES,KEY", lambda: signing_key("mine.pem"))
    refused("cannot be read", partial(signing_key, f"{tmp_path / 'missing.pem'},{folder / 'signing-key.pem'}"))
    refused("no private key", partial(signing_key, f"{certificates},{tmp_path / 'no.pem'}"))
    refused("cannot sign", partial(signing_key, f"{tmp_path / 'no.pem'},{folder / 'signing-key.pem'}"))


def test_a_certificate_of_another_key_signs_nothing(folder, sound, tmp_path, monkeypatch) -> None:
    signing_key("own")
    monkeypatch.setenv(credentials.ENVIRONMENT, str(tmp_path / "other"))
    signing_key("own")
    key = signing_key(f"{folder / 'signing-certificates.pem'},{tmp_path / 'other' / 'signing-key.pem'}")
    path = sound("a.wav")
    before = path.read_bytes()
    call = partial(sign, path, key, format="audio/wav", title="a.wav", source_type=GENERATED, inputs=[])
    refused("cannot be signed", call)
    assert path.read_bytes() == before


def test_without_the_extra_signing_is_refused_and_nothing_is_looked_for(sound, monkeypatch) -> None:
    path = sound("a.wav")
    signed(path)
    monkeypatch.setattr(credentials, "find_spec", lambda name: None)
    refused(r"audiodiff-synth\[sign\]", lambda: signing_key("own"))
    assert find_signature(path) is None
