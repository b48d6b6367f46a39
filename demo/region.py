"""The picture of a clip on which a region is drawn with the mouse or a finger; the field for text next to it rules."""

import base64
import io
from pathlib import Path

import gradio as gr

from audiodiff.signal.audio_io import read_audio

from . import checks
from .app_state import AppState
from .pictures import mel_image, sound_mel

_JPEG_QUALITY = 80

_SCRIPT = """
const field = () => document.querySelector('#FIELD textarea, #FIELD input');
const regions = () => field().value.split(/[\\s,]+/).map(part => part.split(':').map(Number))
  .filter(([start, stop]) => start >= 0 && stop > start);
let start = null, kept = [];
const box = () => element.querySelector('.ad-region');
const at = event => {
  const place = box().getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - place.left) / place.width)) * Number(box().dataset.seconds);
};
const draw = () => {
  if (!box()) return;
  box().querySelectorAll('span').forEach(part => part.remove());
  for (const [from, to] of regions()) {
    const part = document.createElement('span'), seconds = Number(box().dataset.seconds);
    part.style.left = `${Math.min(1, from / seconds) * 100}%`;
    part.style.width = `${(Math.min(1, to / seconds) - Math.min(1, from / seconds)) * 100}%`;
    box().append(part);
  }
};
const write = event => {
  const ends = [start, at(event)].sort((a, b) => a - b).map(seconds => seconds.toFixed(2));
  field().value = [...kept, ...(ends[0] === ends[1] ? [] : [ends.join(':')])].join(' ');
  field().dispatchEvent(new Event('input', { bubbles: true }));
};
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('.ad-region') || event.button !== 0) return;
  event.preventDefault();
  box().setPointerCapture(event.pointerId);
  kept = event.shiftKey ? regions().map(region => region.join(':')) : [];
  start = at(event);
});
element.addEventListener('pointermove', event => { if (start !== null) write(event); });
element.addEventListener('pointerup', event => { if (start !== null) { write(event); start = null; } });
element.addEventListener('pointercancel', () => { start = null; });
document.addEventListener('input', event => { if (event.target === field()) draw(); });
let shown = null;
new MutationObserver(() => { if (box() !== shown) { shown = box(); draw(); } })
  .observe(element, { childList: true, subtree: true });
"""


def picker(name: str, field: str) -> gr.HTML:
    """Lay the picture out, empty.

    Args:
        name: identifier of the picture.
        field: identifier of the field that regions are written into, as `START:STOP` in seconds.
    """
    return gr.HTML("", elem_id=name, js_on_load=_SCRIPT.replace("FIELD", field))


def drawn(state: AppState, path: str | Path | None) -> str:
    """Return the picture of a clip as HTML; nothing for no clip.

    Raises:
        AudiodiffError: the clip cannot be used.
    """
    if path is None:
        return ""
    sound = read_audio(checks.check_upload(state.limits, path))
    seconds = sound.waveform.shape[-1] / sound.sample_rate
    buffer = io.BytesIO()
    mel_image(sound_mel(sound.waveform, sound.sample_rate)).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    source = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<div class="ad-region" data-seconds="{seconds:.4f}">'
        f'<img src="data:image/jpeg;base64,{source}" alt="the clip, {seconds:.1f} s" draggable="false"></div>'
        '<p class="ad-notes">Drag over what to replace; hold Shift to add regions.</p>'
    )
