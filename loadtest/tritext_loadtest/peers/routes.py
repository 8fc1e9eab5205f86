"""How a server takes texts and gives labels over HTTP: texts to a JSON body, an answer's body to labels. Pure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tritext_loadtest.peers.errors import PeerError


@dataclass(frozen=True, slots=True)
class Route:
    """One way to ask.

    Attributes:
        path: Of the URL.
        encode: Makes the body, as JSON can hold it, of some texts.
        decode: Takes the labels, in the texts' order, out of an answer.
    """

    path: str
    encode: Callable[[Sequence[str]], Any]
    decode: Callable[[Any], list[str]]

    def body(self, texts: Sequence[str]) -> bytes:
        """Give the request's body."""
        return json.dumps(self.encode(texts)).encode()

    def labels(self, answer: bytes, count: int) -> list[str]:
        """Take the labels out of an answer.

        Raises:
            PeerError: the answer is no JSON of that form, or holds another number of labels.
        """
        try:
            labels = self.decode(json.loads(answer))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise PeerError(f"{self.path} answered {answer[:120]!r}, which holds no labels") from error
        if len(labels) != count:
            raise PeerError(f"{self.path} answered {len(labels)} labels for {count} texts")
        return labels


def one(path: str) -> Route:
    """One text a request: ``{"text": …}`` to ``{"label": …}``."""
    return Route(path, lambda texts: {"text": texts[0]}, lambda answer: [_name(answer)])


def many(path: str) -> Route:
    """Any number of texts: ``{"texts": […]}`` to a list of labels, or of objects with a label each."""
    return Route(path, lambda texts: {"texts": list(texts)}, lambda answer: [_name(one) for one in answer])


def generate(model: str, output: str) -> Route:
    """Triton's JSON API: one text or a list, to a label or a list under the output's name."""

    def encode(texts: Sequence[str]) -> Any:
        return {"text": texts[0] if len(texts) == 1 else list(texts)}

    def decode(answer: Any) -> list[str]:
        found = answer[output]
        return [found] if isinstance(found, str) else list(found)

    return Route(f"/v2/models/{model}/generate", encode, decode)


def infinity(model: str) -> Route:
    """infinity-emb's own API; the labels of a text come sorted by score."""
    return Route(
        "/classify",
        lambda texts: {"model": model, "input": list(texts)},
        lambda answer: [max(scores, key=lambda each: float(each["score"]))["label"] for scores in answer["data"]],
    )


INFINITY = infinity("bench")
PADDED = generate("padded", "label")


def _name(answer: Any) -> str:
    return answer if isinstance(answer, str) else str(answer["label"])
