"""The forms of load: a name, a rate and a duration in, phases of it and what a request holds out. Pure.

Rates are texts a second, so that every form asks the same of the server, whatever the size of its requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tritext_loadtest.errors import ScenarioError

SPIKE_FACTOR = 5.0
# What a ramp starts from, as a share of its end: a server that has just met its first text is not at rest.
RAMP_START = 0.1
# One request in five of mixed lengths is long: about 180 tokens of English, where four characters make one.
LONG_SHARE = 0.2
LONG_CHARACTERS = 720
BATCHES = {1: 0.25, 8: 0.25, 16: 0.25, 32: 0.25}
MOST_ARRIVALS = 5_000_000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which the rate goes straight from one value to another.

    Attributes:
        seconds: How long it lasts, more than 0.
        start: Texts a second at its start.
        end: The same at its end.
    """

    seconds: float
    start: float
    end: float

    @property
    def texts(self) -> float:
        """How many texts are expected in it."""
        return self.seconds * (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Scenario:
    """A form of load.

    Attributes:
        name: What the command calls it.
        what: One line about it.
        seconds: Its usual duration.
        shape: Parts of the duration, each with its rate's start and end as multiples of the rate asked for.
        batches: Texts a request, each with its share of the requests.
        long_share: Share of the texts that are long.
    """

    name: str
    what: str
    seconds: float = 60.0
    shape: tuple[tuple[float, float, float], ...] = ((1.0, 1.0, 1.0),)
    batches: tuple[tuple[int, float], ...] = ((1, 1.0),)
    long_share: float = 0.0

    def phases(self, rate: float, seconds: float) -> tuple[Phase, ...]:
        """Give the stretches of a run.

        Args:
            rate: Texts a second.
            seconds: Of the whole run.

        Raises:
            ScenarioError: the run would be larger than this tool will make it.
        """
        found = tuple(Phase(part * seconds, start * rate, end * rate) for part, start, end in self.shape)
        texts = sum(phase.texts for phase in found)
        if texts > MOST_ARRIVALS:
            raise ScenarioError(
                f"{rate:g} texts a second for {seconds:g} s are {texts:,.0f} texts, more than {MOST_ARRIVALS:,}: "
                "give a lower --rate or a shorter --duration"
            )
        return found

    @property
    def texts_per_request(self) -> float:
        """The mean size of a request."""
        return sum(size * share for size, share in self.batches)


SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("steady", "one rate throughout"),
        Scenario("ramp", "from a tenth of the rate up to it", shape=((1.0, RAMP_START, 1.0),)),
        Scenario(
            "spike",
            f"the rate, then {SPIKE_FACTOR:g} times as much for a fifth of the time, then the rate again",
            shape=((0.4, 1.0, 1.0), (0.2, SPIKE_FACTOR, SPIKE_FACTOR), (0.4, 1.0, 1.0)),
        ),
        Scenario("soak", "one rate for half an hour, with the server's memory watched", seconds=1800.0),
        Scenario("mixed-lengths", "one text in five is long, about 180 tokens", long_share=LONG_SHARE),
        Scenario("batch-clients", "requests of 1, 8, 16 and 32 texts", batches=tuple(BATCHES.items())),
    )
}
