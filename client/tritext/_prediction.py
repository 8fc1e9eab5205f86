"""The one value that callers get back."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one text, or one pair of texts.

    Attributes:
        text: The text as it was sent.
        label: The name of the winning label.
        score: The probability of that label, 0 to 1.
        tokens: How many tokens the model read, special ones included.
        truncated: Whether the text was longer than the model reads, so that its end was cut off.
        model_version: The version of the model that answered.
        scores: The probability of every label by name, in the order of their ids; None unless asked for.
        pair: The second text, where the model reads two at a time.
    """

    text: str
    label: str
    score: float
    tokens: int
    truncated: bool
    model_version: str
    scores: dict[str, float] | None = field(default=None, hash=False)
    pair: str | None = None
