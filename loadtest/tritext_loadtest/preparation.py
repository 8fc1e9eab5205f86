"""What must be known before a request counts: texts and a server in; the texts to send, each with its label, out.

The server is asked once which version answers; what that version must answer stands in its repository. Long texts are
made of short ones, so no certificate knows them: the server is asked about them at rest, one after another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritext import Client, Prediction
from tritext_loadtest.expectations import Expectations, Expected, read_expectations
from tritext_loadtest.scenarios import LONG_CHARACTERS, Scenario
from tritext_loadtest.texts import Item, join_long

LONG_TEXTS = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """The texts of a run.

    Attributes:
        version: The version that answers.
        items: The texts, the usual ones first.
        expected: What each is to get.
        certified: How many the certificate knows; the others keep the label that they got at rest.
        unknown: Texts of the file that the certificate does not know, and that are not sent.
    """

    version: str
    items: tuple[Item, ...]
    expected: tuple[Expected, ...]
    certified: int
    unknown: int


def prepare(
    clients: Sequence[Client],
    model: str,
    repository: Path,
    items: Sequence[Item],
    scenario: Scenario,
    tell: Callable[[str], None],
) -> Prepared:
    """Ask a server, and choose what to send.

    Args:
        clients: One an address; every one is tried.
        model: The front's name.
        repository: The repository that the server was given.
        items: The file's texts, at least one.
        scenario: What the load will be.
        tell: Hears what is going on.

    Raises:
        TritextError: the server does not answer.
        ExpectationsError: what it must answer is not known.
    """
    tell("asking the server")
    versions = {_ask(client, items[0]).model_version for client in clients}
    version = max(versions, key=int)
    expectations = read_expectations(repository, model, version)
    known = expectations.of(items)
    long: dict[Item, Expected] = {}
    if scenario.long_share:
        tell("asking about long texts, at rest")
        long = {
            item: at_rest(clients[0], item, expectations)
            for item in join_long(list(known), LONG_CHARACTERS, LONG_TEXTS)
        }
    return Prepared(version, (*known, *long), (*known.values(), *long.values()), len(known), len(items) - len(known))


def at_rest(client: Client, item: Item, expectations: Expectations) -> Expected:
    """Ask about one text alone, and expect the same ever after."""
    answer = _ask(client, item)
    scores = sorted((answer.scores or {}).values(), reverse=True)
    return Expected(answer.label, len(scores) > 1 and scores[0] - scores[1] <= expectations.noise)


def _ask(client: Client, item: Item) -> Prediction:
    pairs = None if item.pair is None else [item.pair]
    return client.classify([item.text], pairs=pairs, scores=True)[0]
