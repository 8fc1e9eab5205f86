"""Labelled files: what is read, how it splits, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_export.errors import TextsError
from tritext_export.labelled import (
    Example,
    label_ids,
    label_names,
    label_sets,
    read_examples,
    require_two_labels,
    select,
    split_of,
    write_tsv,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))


@given(st.lists(texts, unique=True))
def test_every_text_stands_in_exactly_one_split(texts: list[str]) -> None:
    examples = [Example(text, "x") for text in texts]
    parts = [select(examples, split) for split in ("train", "dev", "test")]
    assert sorted(e.text for part in parts for e in part) == sorted(texts)
    assert select(examples, "all") == tuple(examples)


def test_the_corpus_splits_as_documented(corpus: Path) -> None:
    examples = read_examples(corpus)
    assert [len(select(examples, split)) for split in ("train", "dev", "test")] == [8435, 1038, 1095]
    assert split_of("Effective but too tepid biopic") == "dev"


@given(examples=st.lists(st.builds(Example, texts, st.sampled_from(["a", "b c"])), min_size=1))
def test_a_written_file_reads_back(tmp_path_factory: pytest.TempPathFactory, examples: list[Example]) -> None:
    path = tmp_path_factory.mktemp("texts") / "texts.tsv"
    write_tsv(path, examples)
    assert list(read_examples(path)) == examples


def test_csv_and_jsonl_with_other_column_names(tmp_path: Path) -> None:
    rows = [{"review": 'one, "two"', "stars": 1}, {"review": "tab\there", "stars": 0}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "t.csv").write_text('review,stars\n"one, ""two""",1\ntab\there,0\n')
    expected = (Example('one, "two"', "1"), Example("tab\there", "0"))
    assert read_examples(tmp_path / "t.jsonl", "review", "stars") == expected
    assert read_examples(tmp_path / "t.csv", "review", "stars") == expected


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.parquet", b"", "cannot tell the format from '.parquet'"),
        ("t.tsv", b"", "holds no texts"),
        ("t.tsv", b"text\tlabel\n", "holds no texts"),
        ("t.tsv", b"sentence\tlabel\nx\ty\n", "row 1 has no 'text': it has 'sentence', 'label'"),
        ("t.tsv", b"text\tlabel\nx\ty\nz\n", "row 2 has no 'label'"),
        ("t.tsv", b"text\tlabel\nx\t\n", "row 1 has \"\" for its 'label': give each text one label"),
        (
            "t.jsonl",
            b'{"text": "x", "label": ["a", "b"]}',
            r'row 1 has \["a", "b"\] for its .*: give each text one label',
        ),
        ("t.jsonl", b'{"text": "x", "label": []}', r"row 1 has \[\] for its .* none or a list of them is for models"),
        ("t.csv", b"text,label\ncaf\xe9,1\n", "not UTF-8 at byte"),
        ("t.jsonl", b'{"text": "x", "label": 1}\n\n{"text"\n', r"t\.jsonl: line 3: .* at character 8: write one JSON"),
        ("t.jsonl", b'{"text": "x", "label": 1}\n{', r"line 2: .*: write one JSON object a line"),
        ("t.jsonl", b"[1, 2]\n", "row 1 has no 'text'"),
        ("t.jsonl", b'{"text": "\\ud800", "label": 1}\n', "row 1 holds half a surrogate pair"),
        ("t.tsv", b'text\tlabel\nfine\tx\n"Good" film\tx\nbad\ty\n', "line 3: .*expected after.*: close the quotes"),
        ("t.csv", b'text,label\n"open,x\nbad,y\n', "line 2: unexpected end of data: close the"),
        ("t.tsv", b'text\tlabel\n"two\nlines"\tx\n"open\tx\nbad\ty\n', "line 4: unexpected end of data: close the"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TextsError, match=words):
        read_examples(path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbftext,label\nx,y\n")
    assert read_examples(tmp_path / "t.csv") == (Example("x", "y"),)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsError, match=r"nothing\.tsv: No such file"):
        read_examples(tmp_path / "nothing.tsv")


def test_a_label_that_the_model_does_not_know_is_named() -> None:
    examples = [Example("x", "good"), Example("y", "bad")]
    assert label_names(examples) == ("bad", "good")
    assert label_ids(examples, ("good", "bad")) == [0, 1]
    with pytest.raises(TextsError, match="carry the label 'bad', the model knows 'good', 'fine'"):
        label_ids(examples, ("good", "fine"))


def test_pairs_are_read_from_their_column_and_written_back(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"premise": "a", "hypothesis": "", "label": 2}\n')
    examples = read_examples(tmp_path / "t.jsonl", "premise", pair_column="hypothesis")
    assert examples == (Example("a", "2", ""),)
    write_tsv(tmp_path / "t.tsv", examples)
    assert read_examples(tmp_path / "t.tsv", pair_column="text_pair") == examples


def test_both_texts_of_a_pair_go_into_the_first_one_s_split() -> None:
    examples = [Example("one premise", "x", f"hypothesis {i}") for i in range(50)]
    assert len({split for split in ("train", "dev", "test") if select(examples, split)}) == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"text": "a", "label": 1},
            "row 1 has no 'text_pair': it has 'text', 'label'; name the column with --pair-col",
        ),
        ({"text": "a", "text_pair": 3, "label": 1}, "row 1 has no 'text_pair'"),
        ({"text": "a", "text_pair": "\udcff", "label": 1}, "row 1 holds half a surrogate pair"),
    ],
    ids=["missing", "a number", "half a character"],
)
def test_a_pair_without_its_second_text_is_named(tmp_path: Path, row: dict[str, object], words: str) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(row))
    with pytest.raises(TextsError, match=words):
        read_examples(tmp_path / "t.jsonl", pair_column="text_pair")


SEVERAL = (
    Example("x", "", labels=()),
    Example("y", "toxic", labels=("toxic",)),
    Example("z", "toxic|insult", labels=("toxic", "insult")),
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '{"text": "x", "label": []}\n{"text": "y", "label": ["toxic"]}\n'
         '{"text": "z", "label": ["toxic", "insult", "toxic"]}'),
        ("t.jsonl", '{"text": "x", "label": ""}\n{"text": "y", "label": "toxic"}\n'
         '{"text": "z", "label": "toxic|insult"}'),
        ("t.csv", 'text,label\nx,\ny,toxic\nz,toxic|insult\n'),
        ("t.tsv", 'text\tlabel\nx\t\ny\ttoxic\nz\ttoxic|insult\n'),
    ],
    ids=["lists", "strings", "csv", "tsv"],
)  # fmt: skip
def test_a_text_may_have_any_number_of_labels(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    examples = read_examples(tmp_path / name, several=True)
    assert examples == SEVERAL
    assert [example.row for example in examples] == [1, 2, 3]
    assert label_sets(examples, ("insult", "toxic")) == [[], [1], [1, 0]]
    write_tsv(tmp_path / "again.tsv", examples)
    assert read_examples(tmp_path / "again.tsv", several=True) == SEVERAL


def test_a_list_may_name_labels_that_hold_the_separator(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "x", "label": ["a|b", 3]}')
    assert read_examples(tmp_path / "t.jsonl", several=True)[0].label_set == ("a|b", "3")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'id,text,toxic,obscene,insult\n1,x,0,0,0\n2,y,1,1,0\n3,z,1,0,1\n'),
        ("t.jsonl", '{"text": "x", "toxic": 0, "insult": 0}\n{"text": "y", "toxic": 1, "insult": false}\n'
         '{"text": "z", "toxic": true, "insult": 1}'),
    ],
    ids=["csv", "jsonl"],
)  # fmt: skip
def test_a_label_may_have_a_column_of_its_own(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert read_examples(tmp_path / name, label_column="toxic,insult", several=True) == SEVERAL


@pytest.mark.parametrize(
    ("content", "column", "words"),
    [
        ({"text": "x"}, "label", "row 1 has no 'label': it has 'text'; name the column with --label-column"),
        ({"text": "x", "label": None}, "label", "row 1 has no 'label'"),
        ({"text": "x", "label": {"a": 1}}, "label", r"row 1 has \{\"a\": 1\} for its 'label': give a list of labels"),
        ({"text": "x", "label": ["a", None]}, "label", r"row 1 has \[\"a\", null\] for its 'label': give a list"),
        ({"text": "x", "label": [["a"]]}, "label", "give a list of labels"),
        ({"text": "x", "a": 1}, "a,b", "row 1 has no 'a,b': it has 'text', 'a'"),
        ({"text": "x", "a": 1, "b": 0.3}, "a,b", "row 1 has 0.3 for its 'b': write 1 where a text has the label"),
        ({"text": "x", "a": 1, "b": ""}, "a,b", "row 1 has '' for its 'b': write 1"),
    ],
)
def test_labels_that_cannot_be_read_are_named_with_their_row(
    tmp_path: Path, content: dict[str, object], column: str, words: str
) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps(content))
    with pytest.raises(TextsError, match=words):
        read_examples(tmp_path / "t.jsonl", label_column=column, several=True)


def test_texts_that_are_all_labelled_alike_prove_nothing() -> None:
    require_two_labels(SEVERAL, Path("t.tsv"))
    with pytest.raises(TextsError, match=r"t\.tsv: no text has a label, which proves nothing"):
        require_two_labels(SEVERAL[:1] * 3, Path("t.tsv"))
    turned = Example("z", "insult|toxic", labels=("insult", "toxic"))
    with pytest.raises(TextsError, match=r"every text is labelled 'toxic\|insult'"):
        require_two_labels([SEVERAL[2], turned], Path("t.tsv"))


def test_texts_of_one_label_prove_nothing() -> None:
    require_two_labels([Example("x", "good"), Example("y", "bad")], Path("t.tsv"))
    with pytest.raises(TextsError, match=r"t\.tsv: every text is labelled 'good'.*add texts with another label"):
        require_two_labels([Example("x", "good"), Example("y", "good")], Path("t.tsv"))
