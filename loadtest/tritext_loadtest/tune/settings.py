"""What can be tried: cores in, settings out; a setting in, the file that ``tritext serve --tuned`` reads out. Pure."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

# Lots drawn for each setting that is wanted: some come up twice.
LOTS = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """How one model is served.

    Attributes:
        max_batch_tokens: Most tokens, padding counted, that one call to the engine carries.
        max_batch_texts: Most texts in one such call, and in what is planned together.
        max_queue_delay_microseconds: How long Triton holds a request back for company.
        cost_call: What the planner reckons for a call by itself, in microseconds; more makes fewer and larger ones.
        instances: Front processes.
        threads: Sub-batches that one of them runs at once.
    """

    max_batch_tokens: int
    max_batch_texts: int
    max_queue_delay_microseconds: int
    cost_call: float
    instances: int
    threads: int

    def __str__(self) -> str:
        """Say it in one line."""
        delay, cost = self.max_queue_delay_microseconds, self.cost_call
        lanes = f"{self.instances} × {self.threads} lanes"
        return f"{self.max_batch_tokens} tokens, {self.max_batch_texts} texts, {delay} µs, call {cost:g} µs, {lanes}"

    def to_toml(self, model: str, comment: str) -> str:
        """Write it for a server.

        Args:
            model: The front's name, of letters, digits and a few signs.
            comment: Where it comes from, in lines.
        """
        said = [f"# {line}" for line in comment.splitlines()]
        return (
            "\n".join([*said, f'model = "{model}"', *(f"{name} = {value!r}" for name, value in asdict(self).items())])
            + "\n"
        )


def choices(control: Setting, cores: int) -> Mapping[str, Sequence[dict[str, Any]]]:
    """List, for each knob, what may stand in place of the control's value; processes and lanes go together."""
    tokens, texts = control.max_batch_tokens, control.max_batch_texts
    lanes = {(1, 1), (1, cores), (cores, 1), (max(1, cores // 2), 2), (2, max(1, cores // 2))}
    lanes -= {(control.instances, control.threads)}
    return {
        "max_batch_tokens": [{"max_batch_tokens": n} for n in (tokens // 2, 2 * tokens, 4 * tokens)],
        "max_batch_texts": [{"max_batch_texts": n} for n in (16, 32) if n < texts],
        "max_queue_delay_microseconds": [{"max_queue_delay_microseconds": n} for n in (500, 2000)],
        "cost_call": [{"cost_call": factor * control.cost_call} for factor in (0.25, 3.0)],
        "lanes": [{"instances": a, "threads": b} for a, b in sorted(lanes) if a * b <= 2 * cores],
    }


def candidates(control: Setting, cores: int, wanted: int, seed: int = 1) -> list[Setting]:
    """Choose whom to try: the control, then one knob turned at a time, then mixtures drawn by lot.

    Args:
        control: The first.
        cores: That may be used.
        wanted: How many, the control counted.
        seed: Of the lots.

    Returns:
        All different; fewer where there are no more.
    """
    knobs = list(choices(control, cores).values())
    chance = random.Random(seed)  # noqa: S311  # nothing secret
    found = {control: None}
    for place in range(max(map(len, knobs))):  # the first of each knob, then the second of each, …
        found |= {replace(control, **options[place]): None for options in knobs if place < len(options)}
    for _ in range(LOTS * wanted):
        if len(found) >= wanted:
            break
        changes = [chance.choice([{}, *options]) for options in knobs]
        found[replace(control, **{name: value for change in changes for name, value in change.items()})] = None
    return list(found)[:wanted]
