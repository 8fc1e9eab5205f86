"""Does the server really answer? A front's canary text in, its label out, over the server's own HTTP.

Triton says ready while a dead backend stub fails every inference, so ready means that an inference has answered.
"""

import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_serve.errors import CanaryError, LateError, WrongAnswerError

TIMEOUT_SECONDS = 10.0
NO_ROOM = 503  # Triton's status where a queue is full; a dead stub gives 500
# The server is on this machine: a proxy that the user's environment names has no part in it.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Canary:
    """A text and the label that the exported model gave it.

    Attributes:
        model: The front.
        version: Its version.
        text: What to classify.
        label_id: The answer at export, which must be the answer now.
        pair: The second text, where the front takes pairs.
    """

    model: str
    version: str
    text: str
    label_id: int
    pair: str | None = None

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The request's tensors, as KServe writes them in JSON."""
        given = {"text": self.text} | ({} if self.pair is None else {"text_pair": self.pair})
        return [{"name": n, "shape": [1, 1], "datatype": "BYTES", "data": [text]} for n, text in given.items()]


def read_canary(model: str, version_directory: Path) -> Canary:
    """Read a version's canary from its manifest.

    Raises:
        CanaryError: the manifest has none.
    """
    try:
        canary = json.loads((version_directory / "manifest.json").read_text(encoding="utf-8"))["canary"]
        text, label_id = str(canary["text"]), int(canary["label_id"])
        return Canary(model, version_directory.name, text, label_id, canary.get("pair"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CanaryError(f"{model} version {version_directory.name}: manifest.json has no canary: {error}") from error


def check(base_url: str, canary: Canary, timeout: float = TIMEOUT_SECONDS) -> None:
    """Classify the canary text.

    Args:
        base_url: ``http://HOST:PORT`` of the server.
        canary: What to ask and what to expect.
        timeout: Seconds that the answer may take.

    Raises:
        CanaryError: no answer, or an error.
        LateError: no answer in time, or no room in the queue.
        WrongAnswerError: another label.
    """
    body = {
        "inputs": canary.inputs,
        "outputs": [{"name": "label_id"}],
    }
    answer = _post(f"{base_url}/v2/models/{canary.model}/versions/{canary.version}/infer", body, timeout)
    try:
        label_id = answer["outputs"][0]["data"][0]
    except (KeyError, IndexError, TypeError) as error:
        raise CanaryError(f"{canary.model} version {canary.version} gives its canary text no label") from error
    if label_id != canary.label_id:
        raise WrongAnswerError(
            f"{canary.model} version {canary.version} gives its canary text label {label_id}, at export it was "
            f"{canary.label_id}: the files are not those that were certified"
        )


def is_ready(base_url: str) -> bool:
    """Ask whether Triton has loaded every model."""
    try:
        with _DIRECT.open(f"{base_url}/v2/health/ready", timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _post(url: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with _DIRECT.open(request, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        kind = LateError if error.code == NO_ROOM else CanaryError
        raise kind(f"{url}: {error.code}: {error.read().decode(errors='replace')[:500]}") from error
    except TimeoutError as error:
        raise LateError(f"{url}: no answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.URLError) and isinstance(error.reason, TimeoutError):
            raise LateError(f"{url}: no connection within {timeout:g} s") from error
        raise CanaryError(f"{url}: {error}") from error
