"""Five minutes of one load: no label changes, and nothing grows that half an hour would show to be a leak.

The half hour itself is a run of its own (docs/loadtest.md): what five minutes cannot tell from the last arena's
growth is left to it, so memory may rise here by what would be ten times as much there.
"""

from pathlib import Path

import pytest

from tests.conftest import load_json, server_options
from tritext._cli.main import main
from tritext_serve.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]
SECONDS, RATE = 300, 60
MOST_SLOPE = 10.0


def load(server: Server, repository: Path, corpus: Path, scenario: str, rate: int, seconds: int, *more: str) -> int:
    """Load the server; a machine that is busy may send late."""
    where = ["--texts", str(corpus), "--repository", str(repository), "--url", server.grpc_url]
    how = ["--rate", str(rate), "--duration", str(seconds), "--max-lateness", "60000", "--timeout", "60"]
    return main(["loadtest", scenario, *where, *how, *more])


def test_five_minutes_of_soak(int8_repository: Path, corpus: Path, tmp_path: Path) -> None:
    objectives = tmp_path / "slo.toml"
    objectives.write_text(f"label_mismatch = 0\nrss_slope_mib_per_100k = {MOST_SLOPE}\n")
    with Server(int8_repository, server_options(instances={})) as server:
        for scenario in ("batch-clients", "steady"):  # as hard as it will ever be loaded: its arenas are full then
            assert load(server, int8_repository, corpus, scenario, 400, 20) == 0
        more = ["--slo", str(objectives), "--json", str(tmp_path / "soak.json")]
        assert load(server, int8_repository, corpus, "soak", RATE, SECONDS, *more) == 0
    found = load_json(tmp_path / "soak.json")
    assert found["totals"]["answered_texts"] > 0.5 * RATE * SECONDS
    assert found["totals"]["wrong"] == 0
    assert len(found["memory"]) == 2
    for process in found["memory"]:
        least, most = process["files"]
        assert most - least <= 2, "a connection or two of the load itself"
        assert process["regions"][0] == process["regions"][1]
