"""Example prompts with their sounds, which `python -m benchmarks.demo_examples` makes with the shipped model."""

from dataclasses import dataclass
from pathlib import Path

from audiodiff.synthesis.settings import GenerateSettings, Sampling

FOLDER = Path(__file__).parent / "sounds"

SECONDS = 6.0
"""Length of the sounds (s)."""

MOST_BYTES = 960_000
"""Of all sounds together, which come with the package."""


@dataclass(frozen=True)
class Example:
    """A prompt that one can listen to before anything is made.

    Attributes:
        title: what the page calls it.
        prompt: what its sound was made from.
        seed: of its sound.
    """

    title: str
    prompt: str
    seed: int = 1

    @property
    def path(self) -> Path:
        """Its sound."""
        return FOLDER / f"{self.title.lower().replace(' ', '-')}.mp3"

    @property
    def sounds(self) -> bool:
        """Whether its sound has been made."""
        return self.path.is_file()

    @property
    def settings(self) -> GenerateSettings:
        """What its sound was made with."""
        return GenerateSettings(prompt=self.prompt, seconds=SECONDS, sampling=Sampling(seed=self.seed))


EXAMPLES = (
    Example("Piano ballad", "solo acoustic piano, ballad, slow, C minor"),
    Example("Funk", "funk, slap bass, clavinet, brass section and drums, groovy, 110 bpm"),
    Example("Solo flute", "solo flute, unaccompanied melody, gentle"),
    Example("Church organ", "solo church organ, hymn, slow", seed=2),
    Example("Jazz ballad", "jazz ballad, piano and upright bass, mellow, 72 bpm"),
    Example("Lo-fi", "lo-fi hip hop, electric piano and soft drums, chill, 80 bpm"),
    Example("Techno", "techno, synth bass and drum machine, driving, 128 bpm"),
    Example("Flamenco", "flamenco guitar, passionate, fast"),
    Example("Chiptune", "8-bit chiptune, square-wave synths, cheerful, 140 bpm"),
    Example("String quartet", "string quartet, melancholic, slow, D minor"),
    Example("Space ambient", "space ambient, synth pads, dreamy, very slow"),
    Example("Heavy metal", "heavy metal, distorted electric guitars, bass and drum kit, aggressive, 160 bpm"),
)
