"""Every text gets the answer of its own key, and no key is computed twice."""

from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.front.sameness import share

keys = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(keys=keys, known=st.lists(st.sampled_from("abcdef"), unique=True, max_size=4), data=st.data())
def test_each_text_is_computed_or_copies_its_own_key(keys: list[str], known: list[str], data: st.DataObject) -> None:
    may_copy = data.draw(st.lists(st.booleans(), min_size=len(keys), max_size=len(keys)))
    rows = {key: 3 * row for row, key in enumerate(known)}
    sharing = share(keys, rows, may_copy)
    if sharing is None:
        assert len(set(keys)) == len(keys)
        assert not any(may and key in rows for may, key in zip(may_copy, keys, strict=True))
        return
    fresh = [keys[text] for text in sharing.fresh]
    assert len(set(fresh)) == len(fresh) < len(keys)
    by_row = {row: key for key, row in rows.items()}
    for text, origin in enumerate(sharing.origins.tolist()):
        computed = origin < len(fresh)
        assert keys[text] == (fresh[origin] if computed else by_row[origin - len(fresh)])
        assert computed or may_copy[text]
        assert computed == (not (may_copy[text] and keys[text] in rows))


def test_a_text_that_came_later_does_not_take_a_known_answer() -> None:
    assert share(["a"], {"a": 0}, [False]) is None
    assert share(["a"], {"a": 0}) is None
