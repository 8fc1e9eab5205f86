"""What a served version must answer: its ``expectations.json`` in, a judgement of each answer out.

Texts are known by a hash. A text that the certificate does not know may be expected to keep the label that the server
gave it at rest.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_loadtest.errors import ExpectationsError
from tritext_loadtest.texts import Item

SCHEMA = 1
FILE, MANIFEST_FILE = "expectations.json", "manifest.json"
_HASH_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to come back for one text.

    Attributes:
        label: The label's name.
        tie: Whether another label would be as good: the two scores differ by less than rounding may move them.
    """

    label: str
    tie: bool = False


@dataclass(frozen=True, slots=True)
class Expectations:
    """The labels that a version gave while it was certified.

    Attributes:
        model: The front's name.
        version: Its version.
        noise: How far rounding may move a score.
        texts: What is expected, by the text's hash.
    """

    model: str
    version: str
    noise: float
    texts: Mapping[str, Expected]

    def of(self, items: Iterable[Item]) -> dict[Item, Expected]:
        """Give what is expected of those items that the certificate knows, in their order.

        Raises:
            ExpectationsError: it knows none.
        """
        hashed = ((item, self.texts.get(hash_item(item))) for item in items)
        known = {item: expected for item, expected in hashed if expected is not None}
        if not known:
            raise ExpectationsError(
                f"none of its texts is in the certificate of {self.model} version {self.version}: "
                "give the file that the model was exported with, or another split of it"
            )
        return known


def hash_item(item: Item) -> str:
    """Name a text, or a pair of them, as the export does."""
    texts = [part.encode(errors="surrogatepass") for part in (item.text, item.pair) if part is not None]
    content = b"".join(b"%d:%b" % (len(part), part) for part in texts)
    return hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]


def read_expectations(repository: Path, model: str, version: str) -> Expectations:
    """Read what a version of a model must answer.

    Args:
        repository: The model repository that the server was given.
        model: The front's name.
        version: The version that answers.

    Raises:
        ExpectationsError: there is none, an older tritext wrote the version, or the file is not the published one.
    """
    folder = repository / model / version
    if not folder.is_dir():
        raise ExpectationsError(
            f"{folder}: no such folder, and the server answers with {model} version {version}: "
            "give the server's own repository with --repository"
        )
    if not (folder / FILE).is_file():
        raise ExpectationsError(
            f"{folder / FILE}: no such file: an older tritext exported this version; export the model anew"
        )
    content = (folder / FILE).read_bytes()
    listed = _object(folder / MANIFEST_FILE, (folder / MANIFEST_FILE).read_bytes()).get("files", {})
    if listed.get(f"{model}/{version}/{FILE}") != hashlib.sha256(content).hexdigest():
        raise ExpectationsError(f"{folder / FILE}: is not the file that was published: export the model anew")
    return parse(folder / FILE, content, model, version)


def parse(path: Path, content: bytes, model: str, version: str) -> Expectations:
    """Read the content of the file.

    Raises:
        ExpectationsError: it is another model's, or damaged.
    """
    document = _object(path, content)
    own = (document.get("model"), str(document.get("version")))
    if document.get("schema") != SCHEMA or own != (model, version):
        raise ExpectationsError(f"{path}: is that of {own[0]} version {own[1]}: export {model} anew")
    try:
        labels, noise = document["labels"], float(document["noise"])
        texts = {key: Expected(labels[row[0]], row[1] <= noise) for key, row in document["texts"].items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ExpectationsError(f"{path}: is damaged ({error!r}): export the model anew") from error
    return Expectations(model, version, noise, texts)


def _object(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ExpectationsError(f"{path}: not valid JSON ({error}): export the model anew") from error
    if not isinstance(document, dict):
        raise ExpectationsError(f"{path}: holds no JSON object: export the model anew")
    return document
