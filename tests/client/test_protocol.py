"""Chunks, checks, label names and predictions, all without a server."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_transport import LABELS, arrays, classes, label
from tritext._errors import InferenceFailed, InvalidInput
from tritext._prediction import Prediction
from tritext._protocol import NUMBERS, SCORES, check_texts, chunks, parse_labels, predictions
from tritext._transports.base import Answer, Call

# Everything a line of a label file can hold: no line break, no NUL, and not nothing.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), min_size=1, max_size=12)


def answer_for(texts: list[str], outputs: tuple[str, ...] = NUMBERS) -> Answer:
    return Answer("3", arrays(Call("m", "", tuple(texts), outputs, 1.0)))


def class_answer(*entries: str) -> Answer:
    return Answer("3", {SCORES: np.array([[entry.encode() for entry in entries]], np.object_)})


class TestChunks:
    @given(st.lists(st.text(max_size=3), max_size=200), st.integers(1, 50))
    def test_rejoined_they_are_the_texts(self, texts: list[str], size: int) -> None:
        cut = chunks(texts, size)
        assert [text for chunk in cut for text in chunk] == texts
        assert all(1 <= len(chunk) <= size for chunk in cut)

    @given(st.integers(1, 500), st.integers(1, 50))
    def test_there_are_no_more_than_needed(self, count: int, size: int) -> None:
        assert len(chunks(["x"] * count, size)) == -(-count // size)


class TestCheckTexts:
    @given(st.lists(st.text(st.characters(codec="utf-8"))))
    def test_whatever_has_utf_8_passes_unchanged(self, texts: list[str]) -> None:
        assert check_texts(texts) == tuple(texts)

    def test_empty_texts_and_nul_are_legal(self) -> None:
        assert check_texts(iter(["", "a\0b"])) == ("", "a\0b")

    @pytest.mark.parametrize("wrong", [None, 1, b"bytes", 2.0, ["list"]])
    def test_what_is_no_text_is_named_by_its_index(self, wrong: str) -> None:
        with pytest.raises(InvalidInput, match=r"texts\[1\]: got (NoneType|int|bytes|float|list)"):
            check_texts(["fine", wrong])

    def test_a_lone_surrogate_is_named_by_its_index_and_place(self) -> None:
        with pytest.raises(InvalidInput, match=r"texts\[2\]: lone surrogate '\\udc80' at character 2"):
            check_texts(["a", "b", "cd\udc80"])

    @pytest.mark.parametrize("wrong", [None, 5, b"bytes"])
    def test_what_is_no_collection(self, wrong: list[str]) -> None:
        with pytest.raises(InvalidInput, match="give a str or a list of str"):
            check_texts(wrong)


class TestParseLabels:
    def test_triton_s_own_words(self) -> None:
        """As Triton 2.51 answered over both protocols."""
        answer = class_answer("0.800000:1:so: so", "0.100000:0:negative", "0.100000:2:positive é")
        assert parse_labels(answer) == ("negative", "so: so", "positive é")

    @given(st.lists(NAMES, min_size=1, max_size=20), st.randoms(use_true_random=False))
    def test_any_names_in_any_order(self, names: list[str], random: np.random.Generator) -> None:
        scores = np.array([random.random() for _ in names], np.float32)
        assert parse_labels(Answer("3", {SCORES: classes(scores, tuple(names))})) == tuple(names)

    @pytest.mark.parametrize("value", ["nan", "-inf", "-0.500000", "1e-05"])
    def test_any_value(self, value: str) -> None:
        assert parse_labels(class_answer(f"{value}:0:only")) == ("only",)

    def test_without_a_label_file(self) -> None:
        """As Triton 2.51 answered for a model that has none."""
        with pytest.raises(InferenceFailed, match=r"no name for label 1.*label_filename"):
            parse_labels(class_answer("0.800000:1", "0.100000:0", "0.100000:2"))

    def test_a_label_file_with_an_empty_line(self) -> None:
        with pytest.raises(InferenceFailed, match="no name for label 0"):
            parse_labels(class_answer("0.8:0:"))

    @pytest.mark.parametrize("entries", [["0.8"], ["0.8:x:a"], ["0.8::a"], ["0.8:²:a"]])
    def test_other_strings(self, entries: list[str]) -> None:
        with pytest.raises(InferenceFailed, match="value:index:label"):
            parse_labels(class_answer(*entries))

    @pytest.mark.parametrize("entries", [[], ["0.8:1:a"], ["0.8:0:a", "0.1:2:b"], ["0.8:0:a", "0.1:0:b", "0.1:2:c"]])
    def test_missing_ids(self, entries: list[str]) -> None:
        with pytest.raises(InferenceFailed, match="label ids"):
            parse_labels(class_answer(*entries))

    def test_the_wrong_number_of_rows(self) -> None:
        with pytest.raises(InferenceFailed, match="for 1 texts"):
            parse_labels(Answer("3", {SCORES: np.array([[b"1:0:a"], [b"1:0:a"]], np.object_)}))


class TestPredictions:
    @given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
    def test_each_is_about_its_own_text(self, texts: list[str]) -> None:
        found = predictions(texts, answer_for(texts), LABELS)
        assert [p.text for p in found] == texts
        assert [p.label for p in found] == [label(text) for text in texts]
        assert [p.tokens for p in found] == [len(text) for text in texts]
        assert [p.truncated for p in found] == [len(text) > 20 for text in texts]

    def test_their_types_are_python_s(self) -> None:
        (found,) = predictions(["four"], answer_for(["four"], (*NUMBERS, SCORES)), LABELS)
        assert found == Prediction(
            text="four",
            label="so: so",
            score=0.75,
            tokens=4,
            truncated=False,
            model_version="3",
            scores={"negative": 0.125, "so: so": 0.75, "positive": 0.125},
        )
        assert [type(value) for value in (found.score, found.tokens, found.truncated)] == [float, int, bool]

    def test_scores_only_when_asked_for(self) -> None:
        (found,) = predictions(["a"], answer_for(["a"]), LABELS)
        assert found.scores is None

    @pytest.mark.parametrize("name", NUMBERS)
    def test_a_missing_output(self, name: str) -> None:
        answer = answer_for(["a"], tuple(n for n in NUMBERS if n != name))
        with pytest.raises(InferenceFailed, match=f"no output '{name}'"):
            predictions(["a"], answer, LABELS)

    @pytest.mark.parametrize("shape", [(2,), (3, 1), (2, 2)])
    def test_an_output_of_another_shape(self, shape: tuple[int, ...]) -> None:
        answer = Answer("3", {**answer_for(["a", "b"]).arrays, "tokens": np.zeros(shape, np.int32)})
        with pytest.raises(InferenceFailed, match="'tokens' has the shape"):
            predictions(["a", "b"], answer, LABELS)

    @pytest.mark.parametrize("wrong", [-1, 3])
    def test_a_label_id_without_a_name(self, wrong: int) -> None:
        answer = Answer("3", {**answer_for(["a"]).arrays, "label_id": np.array([[wrong]], np.int32)})
        with pytest.raises(InferenceFailed, match=f"label id {wrong}, the model names 3 labels"):
            predictions(["a"], answer, LABELS)

    def test_more_scores_than_names(self) -> None:
        with pytest.raises(InferenceFailed, match="3 scores, the model names 2 labels"):
            predictions(["ab", "b"][1:], answer_for(["b"], (*NUMBERS, SCORES)), LABELS[:2])

    def test_a_prediction_can_be_a_key(self) -> None:
        (found,) = predictions(["a"], answer_for(["a"], (*NUMBERS, SCORES)), LABELS)
        assert {found: 1}[found] == 1
