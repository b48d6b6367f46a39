import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.errors import AudiodiffError
from audiodiff.signal import mel
from audiodiff.signal.frames import STFT, Folds, Samples
from tests.refusals import refused
from tests.signal.signals import noise, tone

FRONT_ENDS = [
    Samples(),
    Folds(1),
    Folds(16),
    Folds(30),
    STFT(1024, 256),
    STFT(1024, 256, normalized=True),
    STFT(512, 256),
    STFT(64, 2),
    STFT(1024, 300),
    STFT(400, 150),
]


@given(
    front_end=st.sampled_from(FRONT_ENDS),
    n_samples=st.one_of(st.integers(1, 64), st.integers(1, 6000)),
    batch=st.integers(1, 3),
)
@settings(max_examples=120, deadline=None)
def test_synthesis_undoes_analysis_at_any_length(front_end, n_samples, batch):
    waveform = noise(batch * n_samples, n_samples, 0.3).reshape(batch, n_samples)
    frames = front_end.analysis(waveform)
    assert frames.shape == (batch, front_end.channels, -(-n_samples // front_end.hop_length))
    assert frames.shape[-1] == front_end.n_frames(n_samples)
    assert (front_end.synthesis(frames, n_samples) - waveform).abs().max() <= 1e-6


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_linear_and_exact_in_float64(front_end):
    one, two = noise(3000).double()[None], noise(3000, 1).double()[None]
    together = front_end.analysis(2 * one - two)
    assert torch.allclose(together, 2 * front_end.analysis(one) - front_end.analysis(two), atol=1e-12)
    assert (front_end.synthesis(together, 3000) - (2 * one - two)).abs().max() < 1e-12


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_sample_reaches_only_the_stated_context(front_end):
    hop, reach = front_end.hop_length, front_end.context
    n_samples = hop * (4 * reach + 9) if hop > 1 else 40
    own = n_samples // 2 // hop
    for place in (own * hop, own * hop + hop - 1):
        waveform = torch.zeros(1, n_samples)
        waveform[0, place] = 1.0
        touched = front_end.analysis(waveform).abs().amax(dim=1)[0].nonzero().flatten()
        assert int(touched.min()) >= own - reach
        assert int(touched.max()) <= own + reach
    frames = torch.zeros(1, front_end.channels, front_end.n_frames(n_samples))
    frames[:, :, own] = noise(front_end.channels)
    samples = front_end.synthesis(frames, n_samples)[0].nonzero().flatten()
    assert int(samples.min()) >= (own - reach) * hop
    assert int(samples.max()) < (own + reach + 1) * hop


def test_context_is_not_larger_than_needed():
    assert STFT(1024, 256).context == 2
    assert STFT(512, 256).context == 1
    waveform = torch.zeros(1, 256 * 9)
    waveform[0, 4 * 256] = 1.0
    assert STFT(1024, 256).analysis(waveform).abs().amax(dim=1)[0, 2] > 1e-3


def test_frames_are_those_of_the_hifigan_mel():
    spec = mel.preset("hifigan-22k")
    waveform = noise(256 * 40)
    ours = STFT(1024, 256).spectrum(waveform[None])[0].abs()
    theirs = mel.magnitude(waveform, spec)
    assert ours.shape == theirs.shape
    # The ends differ: zeros here, mirrored there.
    assert torch.allclose(ours[:, 2:-2], theirs[:, 2:-2], atol=1e-3)


def test_centre_of_a_frame():
    waveform = torch.zeros(1, 256 * 9)
    waveform[0, 4 * 256 + 128] = 1.0
    energy = STFT(1024, 256).analysis(waveform).square().sum(dim=1)[0]
    assert int(energy.argmax()) == 4
    assert torch.allclose(energy[3], energy[5], rtol=1e-4)


def test_real_parts_come_first():
    frames = STFT(64, 16).analysis(torch.ones(1, 640))
    # A constant: the real part of bin 0 is the sum of the window, the imaginary part of bin 0 is 0.
    assert torch.allclose(frames[0, 0, 10], torch.tensor(32.0))
    assert frames[0, 33, 10].abs() < 1e-5


def test_normalized_frames_of_white_noise_have_variance_one():
    frames = STFT(512, 128, normalized=True).analysis(noise(128 * 400, amplitude=1.0)[None])
    power = frames.square()[:, :, 4:-4]
    inner = power[:, 1:256] + power[:, 258:513]
    assert 0.97 < float(inner.mean()) < 1.03


def test_folds_keep_order():
    assert torch.equal(
        Folds(3).analysis(torch.arange(6.0)[None])[0], torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]])
    )


def test_long_signals_have_the_short_ones_inside():
    front_end = STFT(1024, 256)
    waveform = tone(440.0, 22050, 1.0)[None, : 256 * 80]
    whole = front_end.analysis(waveform)
    part = front_end.analysis(waveform[:, 256 * 20 : 256 * 60])
    assert torch.allclose(whole[:, :, 22:58], part[:, :, 2:-2], atol=1e-4)


def test_differentiable():
    front_end = STFT(256, 64)
    waveform = noise(1000)[None].requires_grad_()
    front_end.synthesis(front_end.analysis(waveform), 1000).square().sum().backward()
    assert torch.allclose(waveform.grad, 2 * waveform.detach(), atol=1e-5)


@pytest.mark.parametrize(
    ("n_fft", "hop"), [(1024, 255), (1023, 256), (256, 256), (128, 256), (258, 256), (1024, 0), (0, 4)]
)
def test_sizes_that_cannot_be_inverted_are_refused(n_fft, hop):
    with pytest.raises(AudiodiffError):
        STFT(n_fft, hop)


def test_wrong_shapes_are_refused():
    front_end = STFT(256, 64)
    refused("n_samples", lambda: front_end.analysis(torch.zeros(10)))
    refused("expected", lambda: front_end.analysis(torch.zeros(1, 0)))
    for frames in (torch.zeros(1, 258, 9), torch.zeros(1, 257, 10), torch.zeros(258, 10)):
        with pytest.raises(AudiodiffError, match="258, 10"):
            front_end.synthesis(frames, 640)
    with pytest.raises(AudiodiffError):
        Folds(0)
    with pytest.raises(AudiodiffError):
        Folds(4).synthesis(torch.zeros(1, 4, 3), 20)
