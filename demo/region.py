"""The picture of a clip on which a region is drawn with the mouse or a finger, and heard; the field for text next to it
rules.

The regions are those of wavesurfer.js; `static/region.js` connects them with the field.
"""

import base64
import contextlib
import io
import json
from pathlib import Path

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from audiodiff.errors import AudiodiffError
from audiodiff.signal.audio_io import read_audio
from audiodiff.signal.beats import steady_beats, track_beats

from . import checks
from .app_state import AppState
from .pictures import mel_image, sound_mel
from .player import attribute, file_url
from .said import ENGLISH, said
from .take_files import peaks, tempo_in

_JPEG_QUALITY = 80


def picker(name: str, field: str) -> gr.HTML:
    """Lay the picture out, empty.

    Args:
        name: identifier of the picture.
        field: identifier of the field that regions are written into, as `START:STOP` in seconds.
    """
    script = f"audiodiffRegion.watch(element, {json.dumps(field)})"
    return gr.HTML("", elem_id=name, js_on_load=script)


def drawn(state: AppState, path: str | Path | None, language: str = ENGLISH) -> str:
    """Return the picture of a clip as HTML; nothing for no clip.

    Args:
        state: the demo.
        path: the clip.
        language: of the page.

    Raises:
        AudiodiffError: the clip cannot be used.
    """
    if path is None:
        return ""
    path = checks.check_upload(state.limits, path)
    sound = read_audio(path)
    seconds = sound.waveform.shape[-1] / sound.sample_rate
    buffer = io.BytesIO()
    mel_image(sound_mel(sound.waveform, sound.sample_rate)).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    source = base64.b64encode(buffer.getvalue()).decode()
    tempo = tempo_in(path)
    found = () if tempo is None else beats(sound.waveform.mean(axis=0), sound.sample_rate, tempo)

    def words(text: str, **values: float) -> str:
        return attribute(said(text, **values).shown(language))

    named = words("Snap to beats ({tempo:g} bpm)", tempo=tempo or 0.0)
    snap = f'<label><input type="checkbox" data-do="snap" checked> {named}</label>'
    return (
        f'<div class="ad-region" data-seconds="{seconds:.4f}" data-beats="{" ".join(f"{beat:g}" for beat in found)}" '
        f'data-peaks="{base64.b64encode(peaks(sound.waveform)).decode()}">'
        f'<div class="ad-screen"><img src="data:image/jpeg;base64,{source}" '
        f'alt="{words("the clip, {seconds:.1f} s", seconds=seconds)}" draggable="false">'
        '<div class="ad-wave"></div></div>'
        f'<audio preload="auto" src="{attribute(file_url(path))}"></audio>'
        '<div class="ad-bar"><button type="button" data-do="hear">'
        f"{words('Hear the region')}</button>"
        f"{snap if found else ''}</div></div>"
        f'<p class="ad-notes">{words("Drag over what to replace; hold Shift to add regions.")}</p>'
    )


def beats(waveform: NDArray[np.float32], sample_rate: int, tempo: float) -> tuple[float, ...]:
    """Return the times of beats (s): those that are heard, else those that a clip of that tempo is generated with.

    Args:
        waveform: `[n_samples]`.
        sample_rate: its rate in Hz.
        tempo: beats per minute.
    """
    with contextlib.suppress(AudiodiffError):  # without librosa
        found = track_beats(waveform, sample_rate, tempo)
        if found:
            return found
    return steady_beats(0.0, tempo, len(waveform) / sample_rate)
