"""Music composed by rule and played by a General MIDI synthesiser, with labels that are exact by construction.

`compose.compose(seed, index, seconds)` is the score of one clip, `captions` says it in words, `midi.midi_bytes`
writes it down, `render` plays it with FluidSynth, and `make.make_rendered` does this for hours of clips.

Times of a score are in beats (quarter notes of the MIDI file), pitches are MIDI note numbers (60 = middle C).
"""
