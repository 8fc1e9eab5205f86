"""A candidate's way to all of the traffic at a real endpoint: the equal one gets there, the swapped one does not.

Three Tritons: blue is live, green serves the same files, red serves them with the names of its labels exchanged, which
its certificate cannot see.
"""

import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Silent
from tests.e2e.endpoints import COMMAND, NAME, Up
from tests.families import TEXTS, WORDS, make_family
from tritext_export.export import export_model
from tritext_export.labelled import Example, write_tsv
from tritext_export.request import ExportRequest
from tritext_serve.endpoint import keys

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
# In every text that is asked.
LONG_WORD = "incomprehensibilities"
BEFORE = {"blue": 100, "green": 0, "red": 0}
# A busy machine's latencies are no evidence, so they are not judged here; nor is there time for much evidence.
QUICK = ("--min-compared", "60", "--min-requests", "30", "--step-seconds", "1", "--max-p99-ratio", "1000")


class Trio(Up):
    """Blue, green and red, each with its own repository."""

    def __init__(self, folder: Path, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        super().__init__(folder, folder, "--instances", "1", deployments=tuple(repositories), traffic=BEFORE)

    def write(self, deployments: Sequence[str], **endpoint: Any) -> list[Path]:
        """Write the endpoint's files, each deployment with its own path."""
        files = super().write(deployments, **endpoint)
        for name, file in zip(deployments, files[1:], strict=True):
            content = json.loads(file.read_text(encoding="utf-8"))
            content["model"]["path"] = str(self.repositories[name])
            content.setdefault("instance_type", "Standard_F4s_v2")
            file.write_text(json.dumps(content), encoding="utf-8")
        return files

    def promote(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `promote` while clients ask."""
        with Asking(self):
            return self.verb("promote", *words)


class Asking:
    """A client in a thread that asks for one text after the other, all different."""

    def __init__(self, up: Up) -> None:
        self._up, self._stopped = up, threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.bad: list[object] = []

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._thread.join()
        assert self.bad == []

    def _ask(self) -> None:
        client = http.client.HTTPConnection(self._up.url, timeout=30)
        headers = {"Authorization": f"Bearer {self._up.key}", "Content-Type": "application/json"}
        for words in product(WORDS, repeat=5):  # the last word changes first
            if self._stopped.is_set():
                break
            try:
                client.request("POST", "/predict", json.dumps({"text": " ".join((LONG_WORD, *words))}), headers)
                response = client.getresponse()
                status, body = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                status, body = 0, repr(error).encode()
            if status != http.client.OK:
                self.bad.append((status, body))
                client.close()
        client.close()


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """The endpoint; whoever changes it puts it back."""
    root = tmp_path_factory.mktemp("promote")
    texts = root / "texts.tsv"
    write_tsv(texts, [Example(text, ("no", "yes")[i % 2]) for i, text in enumerate(TEXTS)])
    repositories = {}
    for name, labels in (("plain", ("no", "yes")), ("swapped", ("yes", "no"))):
        source, repositories[name] = make_family("bert", root / name, labels), root / f"repository_{name}"
        export_model(ExportRequest(str(source), "sentiment", repositories[name], texts), Silent())
    served = {"blue": repositories["plain"], "green": repositories["plain"], "red": repositories["swapped"]}
    running = Trio(tmp_path_factory.mktemp("up"), served)
    running.announcement()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _as_before(trio: Trio) -> None:
    """Begin each test with all traffic on blue."""
    trio.ask("mirror", mirror={})
    trio.ask("traffic", traffic=BEFORE)


def standing(trio: Trio) -> tuple[dict[str, int], dict[str, int]]:
    """Traffic and mirror as they are."""
    state = trio.ask("show")
    return state["traffic"], state["mirror"]


def test_a_candidate_with_other_labels_is_refused_and_blue_stays(trio: Trio, tmp_path: Path) -> None:
    result = trio.promote("red", *QUICK, "--report", str(tmp_path / "red.json"))
    assert result.returncode == 1
    assert "'red' mirrored:" in result.stderr
    assert "texts get another label (100.00%, allowed 0.50%)" in result.stderr
    assert "traffic is blue=100 green=0 red=0, as before" in result.stderr
    assert standing(trio) == (BEFORE, {})
    report = json.loads((tmp_path / "red.json").read_text(encoding="utf-8"))
    (stage,) = report["stages"]
    assert not report["promoted"]
    assert stage["agreement"]["compared"] == stage["agreement"]["disagreements"] > 0
    with urllib.request.urlopen(f"{trio.ask('show')['supervisor']}/metrics", timeout=10) as metrics:
        assert 'tritext_mirror_disagreements_total{candidate="red",' in metrics.read().decode()


def test_an_equal_candidate_gets_everything_and_no_request_is_lost(trio: Trio, tmp_path: Path) -> None:
    trio.ask("mirror", mirror={"green": 50})
    result = trio.promote("green", *QUICK, "--steps", "40,100", "--report", str(tmp_path / "green.md"))
    assert (result.returncode, result.stdout) == (0, "promoted  green=100\n"), result.stderr
    assert standing(trio) == ({"blue": 0, "green": 100, "red": 0}, {})
    report = (tmp_path / "green.md").read_text(encoding="utf-8")
    assert "Promoted: green has 100 % of the traffic." in report
    assert [line.split()[1] for line in report.splitlines() if line.startswith("| ")][1:] == [
        "mirrored", "40", "100",
    ]  # fmt: skip
    verdict = trio.verb("show", "--verdict").stdout
    assert "| blue | green | " in verdict


@contextmanager
def promoting_green(trio: Trio) -> Iterator["subprocess.Popen[str]"]:
    """A promotion that has come to 20 per cent and stays there, while clients ask."""
    trio.ask("mirror", mirror={"green": 50})
    with Asking(trio):
        promoting = subprocess.Popen(
            [*COMMAND, "promote", "green", *QUICK, "--steps", "20,100", "--step-seconds", "300"],
            env=trio.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 240
        while standing(trio)[0]["green"] != 20 and promoting.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert standing(trio) == ({"blue": 80, "red": 0, "green": 20}, {})
        yield promoting
        promoting.communicate(timeout=120)


def test_an_interrupt_puts_the_former_split_back_although_files_were_applied_meanwhile(trio: Trio) -> None:
    with promoting_green(trio) as promoting:
        files = trio.write(tuple(trio.repositories), traffic={"red": 100})
        assert trio.ask("apply", files=list(map(str, files)), keep_traffic=True)["started"] == []
        assert standing(trio) == ({"blue": 80, "red": 0, "green": 20}, {})
        promoting.send_signal(signal.SIGINT)
    assert promoting.returncode == 130
    assert standing(trio) == (BEFORE, {"green": 50})


def test_a_candidate_that_is_replaced_meanwhile_is_not_promoted_and_blue_stays(trio: Trio, tmp_path: Path) -> None:
    with promoting_green(trio) as promoting:
        trio.repositories["green"] = Path(shutil.copytree(trio.repositories["green"], tmp_path / "newer"))
        files = trio.write(tuple(trio.repositories), traffic=BEFORE)
        assert trio.ask("apply", files=list(map(str, files)), keep_traffic=True)["started"] == ["green"]
        _, said = promoting.communicate(timeout=120)
    assert promoting.returncode == 1
    assert "green: replaced or removed by `tritext endpoint apply` meanwhile" in said
    assert "traffic is blue=100 green=0 red=0, as before" in said
    assert standing(trio) == (BEFORE, {"green": 50})


def test_invoke_and_keys_speak_to_the_running_endpoint(trio: Trio) -> None:
    listed = trio.verb("keys").stdout
    assert all(name in listed for name in keys.NAMES)
    assert trio.key not in listed
    assert trio.verb("keys", "primary").stdout == f"{trio.key}\n"
    answer = trio.verb("invoke", "--text", "good film", "--deployment", "red")
    assert answer.returncode == 0, answer.stderr
    assert "answered by red" in answer.stdout
    both = trio.verb("invoke", "--text", "good", "--text", "bad film", "--json")
    assert json.loads(both.stdout)["text"] == ["good", "bad film"]
    refused = trio.verb("invoke", "--text", "good film", "--deployment", "mauve")
    assert refused.returncode == 1
    assert "answers 404" in refused.stderr
    assert "DeploymentNotFound" in refused.stderr


def test_keys_are_rotated_one_by_one_while_requests_run(trio: Trio) -> None:
    old = keys.read(trio.run.keys)
    with Asking(trio):  # by the primary key
        assert trio.verb("keys", "rotate", "secondary").returncode == 0
    new = keys.read(trio.run.keys)
    assert (new["primary"] == old["primary"], new["secondary"] == old["secondary"]) == (True, False)
    deadline = time.monotonic() + 30
    while (asked := (ask_with(trio, old["secondary"]), ask_with(trio, new["secondary"]))) != (401, 200):
        assert time.monotonic() < deadline, asked


def ask_with(trio: Trio, key: str) -> int:
    """Ask with a key of one's own; the edge takes a new file within moments."""

    request = urllib.request.Request(
        f"http://{trio.url}/predict", b'{"text": "good"}',
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_fronts_tell_is_counted_and_no_text_is_kept(trio: Trio) -> None:
    trio.ask("mirror", mirror={"green": 50})
    with Asking(trio):
        deadline = time.monotonic() + 60
        while not (trio.ask("verdict")["pairs"] and told(trio, "blue")) and time.monotonic() < deadline:
            time.sleep(0.1)
    said = trio.ask("verdict", served=True)
    assert said["candidate"] == "green"
    assert said["served"]["green"]["requests"] > 0
    assert sum(pair["compared"] for pair in said["pairs"]) > 0
    assert {path.name for path in (trio.run.path / "witness").iterdir()} == {
        "blue.json", "blue.sock", "green.json", "green.sock", "red.json",
    }  # fmt: skip
    kept = [path for path in trio.run.path.rglob("*") if path.is_file() and LONG_WORD.encode() in path.read_bytes()]
    assert kept == []


def told(trio: Trio, deployment: str) -> float:
    """How many texts a deployment's front says it has told of."""
    url = f"http://127.0.0.1:{trio.instance(deployment)['metrics']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as metrics:
        found = re.search(r'^prediction_told_total\{[^}]*outcome="sent"[^}]*\} (\d+)', metrics.read().decode(), re.M)
    return float(found[1]) if found else 0.0


def test_a_promotion_that_nobody_runs_is_said(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tritext", "endpoint", "promote", "green", "--endpoint", NAME],
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": ""}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert f"endpoint '{NAME}' does not run: start it with" in result.stderr
