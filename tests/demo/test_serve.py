"""The whole demo over HTTP, on this computer alone."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

pytest.importorskip("gradio", reason="the extra demo")

from gradio_client import Client, handle_file

from audiodiff.errors import AudiodiffError
from audiodiff.synthesis.provenance import read_provenance
from demo import player
from demo.app_state import AppState, Models, open_state
from demo.handlers import ClipResult
from demo.limits import Limits
from demo.serve import (
    GRADIO_FOLDER,
    SESSIONS,
    Place,
    blocked_paths,
    free_port,
    limits_of,
    open_page,
    own_network,
    prepare_beats,
    read_auth,
)
from demo.take_files import publish
from tests.refusals import refused
from tests.synthesis.latent_models import RATE

pytestmark = [  # what Gradio asks of pandas
    pytest.mark.filterwarnings("ignore:.future.no_silent_downcasting:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated:DeprecationWarning"),
]


def test_a_password_is_read() -> None:
    assert read_auth("ann:a:b") == ("ann", "a:b")
    assert read_auth(None) is None
    assert read_auth("") is None
    for bad in ("ann", "ann:", ":secret"):
        with pytest.raises(AudiodiffError, match="USER:PASSWORD"):
            read_auth(bad)


@pytest.mark.parametrize(
    ("place", "public"),
    [
        (Place(), False),
        (Place(host="localhost"), False),
        (Place(host="::1"), False),
        (Place(host="127.0.0.2"), False),
        (Place(host="0.0.0.0"), True),
        (Place(host="192.168.1.7"), True),
        (Place(share=True), True),
    ],
)
def test_who_can_reach_the_page_is_known(place: Place, public: bool) -> None:
    assert place.public is public


def test_a_free_port_is_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused("cannot be listened at", lambda: free_port("127.0.0.1", taken.getsockname()[1]))
    assert free_port("127.0.0.1", None) >= 7860
    with pytest.raises(AudiodiffError, match="give another --host"):
        free_port("203.0.113.1", None)  # an address for documentation


def test_beats_are_prepared_where_the_model_is_told_of_them(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def warm_up() -> None:
        done.append("warm")
        raise AudiodiffError("librosa is not installed")

    monkeypatch.setattr("demo.serve.warm_up", warm_up)
    prepare_beats(Models())
    assert done == []
    prepare_beats(models)
    assert done == ["warm"]


@pytest.mark.parametrize(
    ("place", "direct", "forwarded"),
    [
        (Place(), "*", ""),
        (Place(names=("music.example",)), "*", None),
        (Place(host="0.0.0.0"), "*", None),
        (Place(share=True), "intern,localhost,127.0.0.1,::1,127.0.0.1", None),
    ],
)
def test_no_proxy_stands_between_the_server_and_itself(
    monkeypatch: pytest.MonkeyPatch, place: Place, direct: str, forwarded: str | None
) -> None:
    monkeypatch.setenv("no_proxy", "intern")
    values = own_network(place)
    assert values["no_proxy"] == values["NO_PROXY"] == direct
    assert values.get("FORWARDED_ALLOW_IPS") == forwarded  # who tells of other addresses than his own


def test_flags_that_are_not_given_leave_the_limits_alone() -> None:
    assert limits_of({"seconds": 5.0, "steps": None}) == Limits(seconds=5.0)


def test_nothing_is_handed_out_from_where_people_work(state: AppState, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = blocked_paths(state)
    assert str(Path(__file__).resolve().parents[2]) in blocked
    assert not any(state.workspace.folder.is_relative_to(path) for path in blocked)
    monkeypatch.chdir(state.workspace.folder.parent)
    assert str(state.workspace.folder.parent) not in blocked_paths(state)


@pytest.fixture(scope="module")
def server(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, AppState]]:
    folder = tmp_path_factory.mktemp("server")
    limits = Limits(upload_mb=1.0, upload_seconds=20.0, seconds=8.0, steps=4000, jobs=2)
    state = open_state(models, limits, library=folder / "prompts.json", parent=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GRADIO_FOLDER, "")
        app = open_page(models, state, Place())
        yield app.local_url, state
        app.close(verbose=False)
    state.close()


@pytest.fixture
def client(server: tuple[str, AppState], tmp_path: Path) -> Iterator[Client]:
    client = Client(server[0], verbose=False, download_files=tmp_path / "downloads")
    yield client
    client.close()


@pytest.mark.slow
def test_generate_inspect_and_replay(client: Client) -> None:
    files, report = client.predict(prompt="flute", seconds=1.0, count=2, seed=7, steps=2, api_name="/generate")
    assert [clip["seed"] for clip in json.loads(report)["clips"]] == [7, 8]
    assert [soundfile.info(file).frames for file in files] == [RATE, RATE]
    assert read_provenance(files[1]).seed == 8
    told = json.loads(client.predict(input=handle_file(files[0]), api_name="/inspect"))
    assert (told["provenance"]["prompt"], told["samples_unchanged"]) == ("flute", True)
    again, found = client.predict(input=handle_file(files[0]), api_name="/replay")
    assert json.loads(found) == {"identical": True, "reasons": [], "untouched": True}
    np.testing.assert_array_equal(soundfile.read(again)[0], soundfile.read(files[0])[0])


@pytest.mark.slow
def test_a_clip_like_a_recording(client: Client, voice: Path) -> None:
    given = {"prompt": "", "seconds": 1.0, "steps": 2}
    files, _ = client.predict(**given, reference=handle_file(voice), api_name="/generate")
    assert read_provenance(files[0]).inputs[0].name == voice.name
    again, found = client.predict(input=handle_file(files[0]), recording=[handle_file(voice)], api_name="/replay")
    assert json.loads(found)["identical"]
    np.testing.assert_array_equal(soundfile.read(again)[0], soundfile.read(files[0])[0])


@pytest.mark.slow
def test_edit(client: Client, voice: Path) -> None:
    def names(name: str, **given: Any) -> list[str]:
        files, report = client.predict(**given, steps=2, api_name=name)
        assert [clip["file"] for clip in json.loads(report)["clips"]] == [Path(file).name for file in files]
        return [Path(file).name for file in files]

    clip = handle_file(voice)
    assert names("/vary", clip=clip, strength=0.3, seed=1) == ["my-voice-vary-seed1.flac"]
    assert names("/inpaint", clip=clip, region="0.2:0.5", prompt="flute") == ["my-voice-inpaint-seed0.flac"]
    assert names("/extend", clip=clip, seconds=1.0, before=True, count=2)[1] == "my-voice-extend-seed1.flac"
    assert names("/interpolate", clips=[clip, clip], count=2) == [
        "my-voice-my-voice-1.flac",
        "my-voice-my-voice-2.flac",
    ]
    assert names("/interpolate", prompts=["flute", "drums"], seconds=1.0, count=2) == [
        "prompts-1.flac",
        "prompts-2.flac",
    ]
    assert names("/loop", clip=clip) == ["my-voice-loop-seed0.flac"]


@pytest.mark.slow
def test_vocode(client: Client, voice: Path) -> None:
    file, figures = client.predict(input=handle_file(voice), steps=2, seed=1, api_name="/vocode")
    assert soundfile.info(file).frames == RATE
    assert json.loads(figures)["steps"] == 2
    again, found = client.predict(input=handle_file(file), recording=[handle_file(voice)], api_name="/replay")
    assert json.loads(found)["identical"]
    assert again != file


@pytest.mark.slow
def test_upsample(client: Client, call: Path) -> None:
    file, figures = client.predict(
        input=handle_file(call), steps=2, seed=1, augmentation=0.3, format="wav", api_name="/upsample"
    )
    info = soundfile.info(file)
    assert (info.frames, info.samplerate, Path(file).name) == (8_000, 16_000, "my-call-upsampled.wav")
    told = json.loads(figures)
    assert (told["steps"], told["augmentation"], told["new_band_hz"]) == (2, 0.3, [3_500.0, 8_000.0])
    again, found = client.predict(input=handle_file(file), recording=[handle_file(call)], api_name="/replay")
    assert json.loads(found)["identical"]
    np.testing.assert_array_equal(soundfile.read(again)[0], soundfile.read(file)[0])


@pytest.mark.slow
def test_bad_input_gets_a_sentence_and_the_server_lives(client: Client, voice: Path, tmp_path: Path) -> None:
    def told(name: str, **given: Any) -> str:
        with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever the client makes of it
            client.predict(**given, api_name=name)
        return str(raised.value)

    from httpx import HTTPStatusError

    text, long = tmp_path / "song.wav", tmp_path / "long.flac"
    text.write_text("la la la")
    soundfile.write(long, np.zeros(RATE * 21), RATE)
    assert "never closed" in told("/generate", prompt="(flute")
    assert "from 0.5 to 8" in told("/generate", prompt="flute", seconds=1e9)
    assert "sampler 'magic'" in told("/generate", prompt="flute", sampler="magic")
    with pytest.raises(HTTPStatusError, match="415") as refused:  # it is not even taken in
        client.predict(input=handle_file(text), api_name="/vocode")
    assert "song.wav is not audio" in refused.value.response.text
    assert str(tmp_path.parent.parent) not in refused.value.response.text
    assert "21 s of sound" in told("/vocode", input=handle_file(long))
    message = told("/upsample", input=handle_file(voice), augmentation=0.6)
    assert "augmentation is" in message
    assert "no audiodiff provenance record" in told("/replay", input=handle_file(voice))
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(2 << 20))
    assert told("/inspect", input=handle_file(large))
    assert client.predict(prompt="flute", api_name="/generate")[0]


@pytest.mark.slow
def test_a_job_is_stopped_by_its_own_client(client: Client, server: tuple[str, AppState]) -> None:
    job = client.submit(prompt="flute", seconds=8.0, count=4, steps=4000, api_name="/generate")
    deadline = time.monotonic() + 20.0
    while not server[1].jobs._running and time.monotonic() < deadline:
        time.sleep(0.01)
    other = Client(server[0], verbose=False)
    assert other.predict(api_name="/stop") == 0
    other.close()
    assert client.predict(api_name="/stop") == 1
    _, report = job.result(timeout=30.0)
    assert json.loads(report) == {"stopped": True, "clips": []}


@pytest.mark.slow
def test_two_clients_at_a_time_get_what_each_asked_for(server: tuple[str, AppState], tmp_path: Path) -> None:
    heard: dict[str, list[np.ndarray]] = {}

    def ask(prompt: str, name: str) -> None:
        client = Client(server[0], verbose=False, download_files=tmp_path / name)
        files, _ = client.predict(prompt=prompt, seconds=1.0, count=2, steps=8, api_name="/generate")
        heard[name] = [soundfile.read(file)[0] for file in files]
        client.close()

    threads = [threading.Thread(target=ask, args=(prompt, f"{prompt}1")) for prompt in ("flute", "drums")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for prompt in ("flute", "drums"):
        ask(prompt, f"{prompt}2")
        np.testing.assert_array_equal(heard[f"{prompt}1"], heard[f"{prompt}2"])
    assert np.abs(heard["flute1"][0] - heard["drums1"][0]).max() > 1e-3


@pytest.mark.slow
def test_a_take_is_fetched_from_where_its_player_says(server: tuple[str, AppState], voice: Path) -> None:
    import httpx

    url, state = server
    path = state.workspace.new_file("clip.wav")
    path.write_bytes(voice.read_bytes())
    facts = publish(state.workspace, ClipResult(path, 0, 1.0, RATE, 0.1, (), Image.new("RGB", (4, 4))))
    (source,) = re.findall(r'<audio [^>]*src="([^"]*)"', player.player("take 1", facts))
    assert httpx.get(url + source).content == voice.read_bytes()
    assert httpx.get(f"{url}gradio_api/file={path}").status_code == 403  # where nobody but the server looks
    assert "WaveSurfer" in httpx.get(url).text or "WaveSurfer" in httpx.get(f"{url}config").text


@pytest.mark.slow
def test_no_file_of_the_server_can_be_read(server: tuple[str, AppState], client: Client, tmp_path: Path) -> None:
    import httpx

    url, state = server
    assert state.library is not None
    state.library.write_text(json.dumps({"audiodiff_prompts": 1, "prompts": []}))
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    for path in ("/etc/passwd", __file__, state.library, secret, "pyproject.toml", "../../etc/passwd"):
        assert httpx.get(f"{url}gradio_api/file={path}").status_code in {403, 404}
    # nor by telling a function that it was uploaded
    body = {
        "data": [{"path": str(secret), "meta": {"_type": "gradio.FileData"}}],
        "session_hash": "thief",
    }
    event = httpx.post(f"{url}gradio_api/call/inspect", json=body).json()["event_id"]
    answer = httpx.get(f"{url}gradio_api/call/inspect/{event}", timeout=30.0).text
    assert "event: error" in answer
    assert "secret" not in answer
    # nor by a record that names it
    record = tmp_path / "record.json"
    document = json.loads((Path(__file__).with_name("hostile.json")).read_text())
    document["settings"]["file"]["path"] = str(Path("pyproject.toml").resolve())
    record.write_text(json.dumps(document))
    told = client.predict(input=handle_file(record), api_name="/inspect")
    assert isinstance(told, str)
    assert "build-system" not in told
    held = [path for path in state.workspace.folder.rglob("*") if path.name == "pyproject.toml"]
    assert held == []


@pytest.mark.slow
def test_a_password_is_asked_for(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    monkeypatch.setenv(GRADIO_FOLDER, "")
    state = open_state(models, Limits(), parent=tmp_path)
    app = open_page(models, state, Place(auth=("ann", "secret")))
    try:
        assert httpx.get(f"{app.local_url}config").status_code == 401
        client = Client(app.local_url, auth=("ann", "secret"), verbose=False, download_files=tmp_path / "d")
        assert client.predict(api_name="/stop") == 0
        client.close()
        taken = int(app.local_url.rstrip("/").rpartition(":")[2])
        refused("cannot be listened at", lambda: open_page(models, state, Place(port=taken)))
    finally:
        app.close(verbose=False)
        state.close()


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "nonsense"])
def test_a_page_opens_behind_a_proxy(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    import httpx

    monkeypatch.setenv(GRADIO_FOLDER, "")
    monkeypatch.setenv(variable, proxy)
    state = open_state(models, Limits(), parent=tmp_path)
    app = open_page(models, state, Place())
    try:
        with httpx.Client(trust_env=False) as client:
            assert client.get(f"{app.local_url}config").status_code == 200
    finally:
        app.close(verbose=False)
        state.close()


@pytest.mark.slow
def test_a_page_that_cannot_be_served_is_told_in_a_sentence(
    models: Models, state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(self: object, **given: object) -> None:
        raise RuntimeError("no way\nat all")

    monkeypatch.setenv(GRADIO_FOLDER, "")
    monkeypatch.setattr("gradio.Blocks.launch", launch)
    refused(r"cannot be served at 127.0.0.1:\d+ \(RuntimeError: no way\)", lambda: open_page(models, state, Place()))


def joined(url: str, session: str) -> int:
    """Ask for four long clips in a session that nobody listens to."""
    import httpx

    info = httpx.get(f"{url}gradio_api/info").json()["named_endpoints"]["/generate"]["parameters"]
    values = {item["parameter_name"]: item.get("parameter_default") for item in info}
    values |= {"prompt": "flute", "seconds": 8.0, "steps": 4000, "count": 4}
    body = {"data": list(values.values()), "session_hash": session}
    headers = {"X-Forwarded-For": f"10.0.0.{session.rpartition(' ')[2]}"}  # of which nobody takes notice here
    return httpx.post(f"{url}gradio_api/call/generate", json=body, headers=headers).status_code


@pytest.mark.slow
def test_one_person_is_not_twenty_and_nobody_has_to_be_waited_for(
    server: tuple[str, AppState], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, state = server
    monkeypatch.setattr(state.listeners, "_patience", 3.0)
    assert [joined(url, f"invented {number}") for number in range(20)] == [200] * 20
    deadline = time.monotonic() + 20.0
    while len(state.jobs._running) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(state.jobs._running) == 2
    while state.jobs._running and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not state.jobs._running


@pytest.mark.slow
def test_few_sessions_are_remembered_and_none_that_has_gone(models: Models, tmp_path: Path) -> None:
    import httpx

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(GRADIO_FOLDER, "")
        state = open_state(models, Limits(), parent=tmp_path)
        app = open_page(models, state, Place())
    held = app.app.state_holder.session_data
    try:
        for number in range(SESSIONS + 20):
            body = {"data": [], "session_hash": f"stranger {number}"}
            assert httpx.post(f"{app.local_url}gradio_api/run/stop", json=body).status_code == 200
        assert len(held) == SESSIONS
        client = Client(app.local_url, verbose=False, download_files=tmp_path / "d")
        assert client.predict(api_name="/stop") == 0
        name = client.session_hash
        client.close()
        deadline = time.monotonic() + 20.0
        while name in held and time.monotonic() < deadline:
            time.sleep(0.1)
        assert name not in held
    finally:
        app.close(verbose=False)
        state.close()
