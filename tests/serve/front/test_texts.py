"""Bytes to texts: what is refused, and by which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.front.texts import TextError, decode


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_utf8_text_survives(texts: list[str]) -> None:
    assert decode([text.encode() for text in texts], 1 << 20) == texts


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([b"fine", b"caf\xe9"], "text 1 is not valid UTF-8 at byte 3"),
        ([b"\xed\xa0\x80"], "text 0 is not valid UTF-8 at byte 0"),
        ([b"abcdef"], "text 0 has 6 bytes, more than the 5 allowed"),
    ],
    ids=["latin-1", "surrogate", "too large"],
)
def test_what_no_tokenizer_can_read_is_refused_by_name(raw: list[bytes], words: str) -> None:
    with pytest.raises(TextError, match=words):
        decode(raw, 5)


def test_nul_and_empty_texts_are_legal() -> None:
    assert decode([b"", b"a\0b"], 5) == ["", "a\0b"]
