"""Pairs of texts through the client: what is checked, how they are cut into requests, what comes back."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_transport import FakeAsyncTransport, FakeTransport, label
from tritext import AsyncClient, Client, InvalidInput
from tritext._protocol import check_items, split_items


def client(server: FakeTransport, **options: Any) -> Client:
    return Client("grpc://h:1", "entailment", transport=server, **options)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))), min_size=1))
def test_items_split_into_what_they_were_made_of(pairs: list[tuple[str, str]]) -> None:
    first, second = zip(*pairs, strict=True)
    assert split_items(check_items(first, second)) == (first, second)
    assert split_items(check_items(first, None)) == (first, ())


def test_a_str_with_a_str_gives_a_prediction() -> None:
    server = FakeTransport()
    found = client(server).classify("four", pairs="second")
    assert (found.text, found.pair, found.label) == ("four", "second", label("four"))
    assert {(call.texts, call.pairs) for call in server.calls} == {(("four",), ("second",))}


def test_every_chunk_has_its_own_second_texts_and_so_has_the_question_for_labels() -> None:
    server = FakeTransport(limit=2)
    texts, pairs = [*"abcde"], [*"vwxyz"]
    found = client(server, max_batch_size=4, concurrency=1).classify(texts, pairs=iter(pairs))
    assert [(p.text, p.pair) for p in found] == list(zip(texts, pairs, strict=True))
    partner = dict(zip(texts, pairs, strict=True))
    assert all(call.pairs == tuple(partner[text] for text in call.texts) for call in server.calls)
    assert server.label_calls


def test_the_async_client_does_the_same() -> None:
    server = FakeTransport()

    async def ask() -> list[str | None]:
        async with AsyncClient("grpc://h:1", "entailment", transport=FakeAsyncTransport(server)) as talk:
            one = await talk.classify("a", pairs="b")
            return [one.pair, *(p.pair for p in await talk.classify(["c", "d"], pairs=["e", "f"]))]

    assert asyncio.run(ask()) == ["b", "e", "f"]


@pytest.mark.parametrize(
    ("texts", "pairs", "words"),
    [
        (["a", "b"], ["c"], "pairs: got 1 for 2 texts"),
        (["a", "b"], "cd", "pairs: got one str for a list of texts"),
        ("a", ["b"], r"pairs\[0\]: got list: give a str"),
        (["a"], [None], r"pairs\[0\]: got NoneType: give a str"),
        (["a"], ["\udc80"], r"pairs\[0\]: lone surrogate"),
        (["a"], 7, "pairs: got int: give a str or a list of str"),
    ],
    ids=["fewer", "one for all", "a list for one", "none", "surrogate", "a number"],
)
def test_pairs_that_do_not_match_are_not_sent(texts: Any, pairs: Any, words: str) -> None:
    server = FakeTransport()
    with pytest.raises(InvalidInput, match=words):
        client(server).classify(texts, pairs=pairs)
    assert server.calls == []
