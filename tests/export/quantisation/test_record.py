"""What was tried, as arrays and back: every number survives, and what does not fit the layers is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.quantisation.layers import Layers, dense_of, rows
from tritext_export.quantisation.observation import Observed
from tritext_export.quantisation.record import Tried, Way, observed_from_arrays, observed_to_arrays
from tritext_export.quantisation.schemes import PerToken, Scheme, Static
from tritext_export.quantisation.shelf import Shelf
from tritext_export.quantisation.weights import round_to_nearest

GROUP = dense_of(Layers([rows(0, 64, 80), rows(1, 64, 70)], [None, None]).model())
DIVISOR = np.linspace(0.1, 1, 64, dtype=np.float32)
floats = st.floats(1e-6, 1e6, allow_nan=False)
schemes: st.SearchStrategy[Scheme] = st.one_of(
    st.builds(Static, st.sampled_from([None, DIVISOR]), floats, st.integers(0, 255), st.booleans()),
    st.builds(
        PerToken, st.sampled_from([None, DIVISOR]), st.one_of(st.none(), floats.map(float.__neg__)), st.booleans()
    ),
)


def tried(*given_schemes: Scheme) -> Tried:
    """A group with some schemes."""
    weights = tuple(round_to_nearest(dense.weights) for dense in GROUP)
    return Tried(77, tuple(Way(scheme, 0.25 + i, weights) for i, scheme in enumerate(given_schemes)))


def require_same(one: Scheme, other: Scheme) -> None:
    """Compare two schemes, whose arrays have no truth value."""
    assert type(one) is type(other)
    for name, value in vars(one).items():
        np.testing.assert_array_equal(np.array(value, float), np.array(getattr(other, name), float))


@settings(max_examples=40, deadline=None)
@given(st.lists(schemes, max_size=4))
def test_every_number_survives(given_schemes: list[Scheme]) -> None:
    before = tried(*given_schemes)
    after = Tried.from_arrays(before.to_arrays(), GROUP)
    assert (after.tokens, len(after.ways)) == (77, len(given_schemes))
    for one, other in zip(before.ways, after.ways, strict=True):
        require_same(one.scheme, other.scheme)
        assert one.noise == other.noise
        for mine, yours in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(mine.values, yours.values)
            np.testing.assert_array_equal(mine.scale, yours.scale)


def test_it_survives_a_file(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "a")
    shelf.save("tried", tried(PerToken(DIVISOR)).to_arrays())
    arrays = shelf.load("tried")
    assert arrays is not None
    require_same(Tried.from_arrays(arrays, GROUP).ways[0].scheme, PerToken(DIVISOR))


@pytest.mark.parametrize("name", list(tried(Static(DIVISOR, 1.0, 3)).to_arrays()))
def test_a_missing_array_is_missed(name: str) -> None:
    arrays = tried(Static(DIVISOR, 1.0, 3)).to_arrays()
    del arrays[name]
    with pytest.raises(KeyError):
        Tried.from_arrays(arrays, GROUP)


@pytest.mark.parametrize("name", ["0/scheme", "0/divisor", "0/0/values", "0/1/scale"])
def test_what_does_not_fit_is_refused(name: str) -> None:
    arrays = tried(Static(DIVISOR, 1.0, 3)).to_arrays()
    for wrong in (arrays[name][..., :-1], arrays[name].astype(np.float16)):
        with pytest.raises(ValueError, match="belongs"):
            Tried.from_arrays(arrays | {name: wrong}, GROUP)


def test_what_was_watched_survives() -> None:
    seen = Observed(rows(1, 8), rows(2, 8), rows(3, 8, 8), 40, [rows(4, 700, 8), rows(5, 700, 8)])
    after = observed_from_arrays(observed_to_arrays(seen), 8)
    np.testing.assert_array_equal(after.rows, seen.rows)
    np.testing.assert_array_equal(after.second_moment, seen.second_moment)
    assert after.tokens == 40
    with pytest.raises(ValueError, match="belongs"):
        observed_from_arrays(observed_to_arrays(seen), 9)
