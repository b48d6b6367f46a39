import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiodiff.data.tables import read_pipe_rows, read_rows
from audiodiff.errors import AudiodiffError


def rows(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return [(row.line, tuple(row.cells.values())) for row in read_rows(path, ("file_name",))]


def test_spaces_quotes_and_ends_of_lines(tmp_path):
    table = tmp_path / "t.csv"
    expected = [(2, ("a.wav", 'a "12"" piano", slow'.replace('""', '"'), "train")), (4, ("b.wav", "", "valid"))]
    for end in ("\n", "\r\n", "\r"):
        lines = ["file_name, text ,split", 'a.wav , "a ""12"" piano"", slow",train', "", "b.wav,,valid"]
        assert rows(table, end.join(lines)) == expected
    assert rows(table, "file_name,text,\na.wav,x,,,\n", "utf-8-sig") == [(2, ("a.wav", "x"))]
    assert rows(table, 'file_name,text\na.wav,"two\nlines"\nb.wav,12" piano\n') == [
        (2, ("a.wav", "two\nlines")),
        (4, ("b.wav", '12" piano')),
    ]


@given(st.lists(st.tuples(*[st.text("ab, \n\"'|é\t", max_size=8)] * 2), max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_is_written_as_csv_is_read(tmp_path_factory, cells):
    written = io.StringIO()
    csv.writer(written).writerows([("file_name", "text", "last"), *((f"{n}.wav", *row) for n, row in enumerate(cells))])
    found = rows(tmp_path_factory.getbasetemp() / "written.csv", written.getvalue())
    assert [row for _, row in found] == [(f"{n}.wav", *(cell.strip() for cell in row)) for n, row in enumerate(cells)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('file_name,text,split\nc0.wav,"12"" piano,train\nc1.wav,x,train\n', "line 2 is not CSV"),
        ('file_name,text,split\nc0.wav,"12"" piano,train\nc1.wav,"x",train\n', "line 2 is not CSV"),
        # The quote is closed by one that was meant as inches, rows later.
        ('file_name,text,split\nc0.wav,"12 piano,train\nc1.wav,x,train\nc2.wav,7",train\n', "line 2 opens a quote"),
        ('text,file_name\n"12 piano,c0.wav\nx,c1.wav\n7",c2.wav\n', "line 2 opens a quote"),
        ("file_name,text\na.wav,x\nb.wav,one, two\n", "line 3 has 3 cells where the header has 2"),
        ("file_name,text,split\na.wav,x\n", "line 2 has 2 cells"),
        ("file_name;text\na.wav;x\n", "a column file_name is needed"),
        ("file,text\na.wav,x\n", "a column file_name is needed"),
        ("", "a column file_name is needed"),
        ("file_name,text,text\n", "the column 'text' twice"),
        ("file_name,,text\n", "line 1 has the column ''"),
        ("file_name,text\na.wav," + "x" * 200_000 + "\n", "line 2 is not CSV"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path, text, words):
    with pytest.raises(AudiodiffError, match=words) as caught:
        rows(tmp_path / "t.csv", text)
    assert "t.csv" in str(caught.value)


def test_tables_of_another_encoding(tmp_path):
    for encoding in ("utf-16", "latin-1"):
        with pytest.raises(AudiodiffError, match="UTF-8"):
            rows(tmp_path / "t.csv", "file_name,text\na.wav,café\n", encoding)


def test_lines_with_bars(tmp_path):
    table = tmp_path / "metadata.csv"
    table.write_text('a|Chapter "1"|Chapter "one"\n\nb|x|\nc|y\n')
    assert read_pipe_rows(table) == [("a", 'Chapter "one"'), ("b", "x"), ("c", "y")]
    for text, words in (("a|x\nb\n", "line 2 has 1 fields"), ("a|x\na|y\n", "line 2 names a again, after line 1")):
        table.write_text(text)
        with pytest.raises(AudiodiffError, match=words):
            read_pipe_rows(table)
