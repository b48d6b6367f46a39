"""Own pronunciations from a CSV file: `word,phonemes` a line, phonemes as ARPAbet or as IPA between slashes."""

import csv
import re
from pathlib import Path

from audiodiff.errors import AudiodiffError
from audiodiff.text.phones import from_ipa, parse_arpabet

__all__ = ["read_lexicon"]


def read_lexicon(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Pronunciations by word, in lower case.

    A first line "word,phonemes" is passed over, as are empty lines and lines that begin with "#".

    Raises:
        AudiodiffError: the file cannot be read, or a line is not a word and its phonemes; the message names the line.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AudiodiffError(f"{path} is not UTF-8; save it as UTF-8.") from error
    except OSError as error:
        raise AudiodiffError(f"{path} cannot be read: {error.strerror}.") from error
    words: dict[str, tuple[str, ...]] = {}
    reader = csv.reader(text.splitlines(), skipinitialspace=True)
    try:
        for row in reader:
            if not any(field.strip() for field in row) or row[0].startswith("#"):
                continue
            if reader.line_num == 1 and row[0].strip().lower() == "word":
                continue
            if len(row) != 2 or not row[0].strip() or len(row[0].split()) > 1:
                raise AudiodiffError(
                    "expected a word, a comma, and its phonemes, such as audiodiff,AO1 D IY0 OW0 D IH0 F."
                )
            word, phones = row[0].strip().lower(), row[1].strip()
            if not re.fullmatch(r"[^\W_]+(?:['’][^\W_]+)*", word):
                raise AudiodiffError(
                    f"{word!r} is no single word; expected letters, figures and apostrophes, without hyphens or signs."
                )
            ipa = len(phones) > 1 and phones[0] == phones[-1] == "/"
            words[word] = from_ipa(phones[1:-1]) if ipa else parse_arpabet(phones)
    except (AudiodiffError, csv.Error) as error:
        raise AudiodiffError(f"{path}, line {reader.line_num}: {error}") from error
    return words
