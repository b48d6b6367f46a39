import pytest

from audiodiff.data.game_music.licences import free_licence, paragraph_of, read_paragraphs

TEXT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Source: https://example.org

Files: *
Copyright: 2001-2008, The Team (<http://example.org>)
License: GPL-2+

Files:
 music/a.ogg
 music/b?.ogg
Copyright:
 2011 Ann "Nan" Other <ann@example.org>
 2012, 2013 Björn Öther (https://example.org)
 2011 Ann "Nan" Other
License: GPL-3 or CC-BY-3.0
Comment: Files: are not named here.

Files: ./music/deep/*.ogg, music/last.ogg
Copyright: 99 Crimes
License: CC-BY-SA-4.0
 The text of the licence.
 .
 Its second paragraph.

License: GPL-2+
 On Debian systems...
"""


def test_the_last_paragraph_that_matches_holds() -> None:
    paragraphs = read_paragraphs(TEXT)
    assert len(paragraphs) == 3

    def found(path: str) -> str:
        paragraph = paragraph_of(path, paragraphs)
        return "" if paragraph is None else paragraph.licence

    assert found("music/a.ogg") == "GPL-3 or CC-BY-3.0"
    assert found("music/b1.ogg") == "GPL-3 or CC-BY-3.0"
    assert found("music/b12.ogg") == "GPL-2+"  # a question mark is one character
    assert found("music/deep/er/c.ogg") == "CC-BY-SA-4.0"  # an asterisk matches slashes
    assert found("music/last.ogg") == "CC-BY-SA-4.0"
    assert found("deeper/music/last.ogg") == "GPL-2+"  # the whole path
    assert paragraph_of("music/a.ogg", paragraphs[2:]) is None


def test_authors_without_years_and_addresses() -> None:
    first, second, third = read_paragraphs(TEXT)
    assert first.authors == "The Team"
    assert second.authors == 'Ann "Nan" Other; Björn Öther'
    assert third.authors == "99 Crimes"


def test_prose_has_no_paragraphs() -> None:
    assert read_paragraphs("This package was debianized by A <a@b.c>.\n\nCopyright:\n\nLicense: GPL\n") == ()


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("CC-BY-SA-3.0", "CC-BY-SA-3.0"),
        ("CC-BY-SA-3.0+", "CC-BY-SA-3.0"),
        ("GPL-3 or CC-BY-3.0", "CC-BY-3.0"),
        ("CC-BY-SA-3.0 or CC-BY-3.0 or GPL-2", "CC-BY-3.0"),
        ("CC0", "CC0-1.0"),
        ("public-domain", "Public-Domain"),
        ("PD", "Public-Domain"),
        ("Expat", "MIT"),
        ("GPL-2+", ""),
        ("GPL-2+ or CC-BY-SA", ""),  # which version?
        ("CC-BY-NC-3.0", ""),
        ("CC-BY-ND-3.0", ""),
        ("CC-BY-NC-SA-4.0", ""),
        ("CC-BY-3.0 and GPL-2", ""),
        ("CC-BY-SA-3.0 with exception", ""),
        ("", ""),
    ],
)
def test_free_licences(name: str, licence: str) -> None:
    assert free_licence(name) == licence
