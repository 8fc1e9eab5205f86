"""Request bytes to texts: refuses what no tokenizer can read, by a message that names it. Pure."""

from collections.abc import Iterable

TextInput = str | tuple[str, str]  # one text, or the two of a pair


class TextError(ValueError):
    """A text cannot be classified; the request it came in is refused."""


def decode(raw: Iterable[bytes], max_text_bytes: int, name: str = "text") -> list[str]:
    """Decode one request's texts; ``name`` is what a refusal calls them.

    Raises:
        TextError: a text is too large or not UTF-8; NUL bytes and empty texts are legal.
    """
    texts = []
    for position, data in enumerate(raw):
        if len(data) > max_text_bytes:
            raise TextError(
                f"{name} {position} has {len(data)} bytes, more than the {max_text_bytes} allowed: shorten it"
            )
        try:
            texts.append(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise TextError(f"{name} {position} is not valid UTF-8 at byte {error.start}") from error
    return texts


def count_characters(texts: Iterable[TextInput]) -> int:
    """Count the characters of texts, or of both texts of pairs.

    Example:
        >>> count_characters(["one", "two"]), count_characters([("one", "two")])
        (6, 6)
    """
    return sum(len(text) if isinstance(text, str) else sum(map(len, text)) for text in texts)
