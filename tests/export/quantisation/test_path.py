"""The choice of schemes: never dearer than fp32 everywhere, and quiet enough where it can be."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from tritext_export.quantisation import path
from tritext_export.quantisation.path import Option, choose_options

NOISES, COSTS = st.floats(0, 10), st.floats(0.1, 10)


@st.composite
def groups(draw: st.DrawFn) -> list[list[Option]]:
    """Groups as the quantiser makes them: some noisy options, and fp32, silent and dearest."""
    made = []
    for _ in range(draw(st.integers(1, 6))):
        noisy = [Option(draw(NOISES), draw(COSTS)) for _ in range(draw(st.integers(1, 4)))]
        made.append([*noisy, Option(0.0, max(option.cost for option in noisy) + draw(COSTS))])
    return made


def predict(noise: float) -> float:
    """An agreement that falls with the noise."""
    return 1 / (1 + noise)


def total(made: list[list[Option]], chosen: tuple[int, ...]) -> tuple[float, float]:
    """Noise and cost of a choice."""
    options = [group[i] for group, i in zip(made, chosen, strict=True)]
    return sum(o.noise for o in options), sum(o.cost for o in options)


def test_the_example_holds() -> None:
    found = doctest.testmod(path)
    assert found.attempted == 2
    assert not found.failed


@given(groups(), st.floats(0, 1))
def test_the_agreement_is_reached_at_no_more_than_the_cost_of_fp32(made: list[list[Option]], wanted: float) -> None:
    noise, cost = total(made, choose_options(made, predict, wanted))
    assert predict(noise) >= wanted
    assert cost <= sum(group[-1].cost for group in made) + 1e-9


@given(groups())
def test_the_cheapest_serves_where_nothing_is_wanted(made: list[list[Option]]) -> None:
    _, cost = total(made, choose_options(made, predict, 0.0))
    assert cost == sum(min(option.cost for option in group) for group in made)


@given(groups())
def test_what_cannot_be_reached_ends_with_the_quietest(made: list[list[Option]]) -> None:
    chosen = choose_options(made, lambda noise: 0.0, 1.0)
    assert total(made, chosen)[0] == sum(min(option.noise for option in group) for group in made)


@given(groups(), st.floats(0, 0.9), st.floats(0, 0.1))
def test_wanting_more_is_never_louder(made: list[list[Option]], wanted: float, more: float) -> None:
    less, louder = (total(made, choose_options(made, predict, w))[0] for w in (wanted + more, wanted))
    assert less <= louder + 1e-12
