"""Music composed by rule, with labels that are exact by construction.

`compose.compose(seed, index, seconds)` is the score of one clip, `captions` says it in words, and `midi.midi_bytes`
writes it down. `audiodiff.data.rendered` plays hours of clips with FluidSynth.

Times of a score are in beats (quarter notes of the MIDI file), pitches are MIDI note numbers (60 = middle C).
"""
