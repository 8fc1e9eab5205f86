"""``endpoint.sh``, run for real; ``az`` and ``curl`` are stand-ins that note their calls."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.deploy.azure.files import AZURE, RENDERED

SCRIPT = AZURE / "endpoint.sh"
RECORDER = Path(__file__).with_name("recorder.sh")
KEY = "k3y-of-the-endpoint"
WHERE = ["--subscription", "00000000-0000-0000-0000-000000000000", "--resource-group", "films"]
WORKSPACE = [*WHERE, "--workspace-name", "sentiment-workspace"]


class Runs:
    """Runs the script with stand-ins on its path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("az", "curl"):
            shutil.copy(RECORDER, folder / name)
            (folder / name).chmod(0o755)

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start the script, as the first of a group of its own."""
        told = {"CALLS": str(self.folder / "calls"), "HEADERS": str(self.folder / "headers"), "KEY": KEY, **environment}
        return subprocess.Popen(
            # Whoever is started in the background hears no interruption otherwise.
            ["env", "--default-signal=INT", "bash", str(SCRIPT), *words],
            env={"TRITEXT_PAUSE": "0", "PATH": f"{self.folder}:{os.environ['PATH']}", **told},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def __call__(self, *words: str, sent: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        running = self.start(*words, **environment)
        out, said = running.communicate(sent, timeout=60)
        return subprocess.CompletedProcess(words, running.returncode, out, said)

    def calls(self) -> list[list[str]]:
        """What the stand-ins were called with."""
        path = self.folder / "calls"
        return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def verbs(self) -> list[str]:
        """Those of the calls that change something, by their first words."""
        changing = [call for call in self.calls() if {"create", "update", "delete", "provision-network"} & set(call)]
        return [" ".join(call[1:4]) for call in changing]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_create_makes_everything_in_the_order_of_its_need(runs: Runs) -> None:
    done = runs("create")
    assert done.returncode == 0, done.stderr
    assert [call for call in runs.calls() if not {"show", "list"} & set(call)] == [
        ["az", "deployment", "group", "create", *WHERE, "--name", "tritext-infrastructure", "--template-file",
         f"{AZURE}/main.bicep", "--parameters", f"@{RENDERED}/main.parameters.json"],
        ["az", "deployment", "group", "create", *WHERE, "--name", "tritext-roles", "--template-file",
         f"{RENDERED}/roles.bicep"],
        ["az", "ml", "workspace", "provision-network", *WHERE, "--name", "sentiment-workspace"],
        ["az", "ml", "online-endpoint", "create", "--file", f"{RENDERED}/endpoint.yml", *WORKSPACE],
        ["az", "ml", "online-deployment", "create", "--file", f"{RENDERED}/deployment-blue.yml", *WORKSPACE],
        ["az", "ml", "online-deployment", "create", "--file", f"{RENDERED}/deployment-green.yml", *WORKSPACE],
        ["az", "ml", "online-endpoint", "update", "--name", "sentiment", "--traffic", "blue=100 green=0", *WORKSPACE],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", [["create"], ["invoke", "green"], ["logs", "blue"], ["shift", "blue=100"], ["delete"]]
)
def test_a_rehearsal_prints_the_commands_and_runs_none(runs: Runs, words: list[str]) -> None:
    done = runs(*words, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert runs.calls() == []
    assert all(line.startswith(("az ", "curl ")) for line in done.stdout.splitlines())
    assert done.stdout
    assert runs("--dry-run", *words).stdout == done.stdout


def test_invoke_asks_with_a_key_that_stands_on_no_command_line(runs: Runs) -> None:
    text = json.dumps({"text": "A lovely film."})
    done = runs("invoke", "green", sent=text)
    assert (done.returncode, done.stdout.strip()) == (0, text), done.stderr
    call = runs.calls()[-1]
    assert call[0] == "curl"
    assert call[-1] == "https://sentiment.westeurope.inference.ml.azure.com/v2/models/sentiment/generate"
    assert "azureml-model-deployment: green" in call
    assert (runs.folder / "headers").read_text(encoding="utf-8") == f"Authorization: Bearer {KEY}\n"
    assert KEY not in done.stderr
    assert not any(KEY in word for call in runs.calls() for word in call)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shift"], "give shares"),
        (["invoke", "red"], "no deployment red: there are blue green"),
        (["shift", "blue=90", "green=20"], "sum to 110"),
        (["shift", "blue=50", "blue=50"], "blue stands twice"),
        (["shift", "blue=60"], "sum to 60"),
        (["shift", "blue=100%"], "is not DEPLOYMENT=PERCENT"),
        (["shift", "blue=-10", "green=110"], "is not DEPLOYMENT=PERCENT"),
        (["shift", "red=100"], "no deployment red"),
        (["shift", "--mirror", "green=80"], "at most 50"),
        (["shift", "--mirror", "blue=10", "green=10"], "to one deployment"),
        (["logs"], "name one of blue green"),
        (["logs", "red"], "no deployment red: there are blue green"),
        (["logs", "blue", "green"], "name one of blue green"),
        (["create", "red"], "create: 'red' is not understood"),
        (["delete", "blue"], "delete: 'blue' is not understood"),
        (["burn"], "no action 'burn'"),
        (["--rendered", "/nowhere", "delete"], "/nowhere/names.env is not there"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_called(runs: Runs, words: list[str], said: str) -> None:
    done = runs(*words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert runs.calls() == []


@pytest.mark.parametrize("line", ["GROUP=$(id)", "GROUP=films; rm -rf x", "group=films", "GROUP"])
def test_a_rendered_file_is_read_and_never_run(runs: Runs, line: str) -> None:
    shutil.copytree(RENDERED, runs.folder / "rendered")
    names = runs.folder / "rendered/names.env"
    text = re.sub("(?m)^GROUP=.*$", lambda _: line, names.read_text(encoding="utf-8"))
    names.write_text(text, encoding="utf-8")
    done = runs("--rendered", str(runs.folder / "rendered"), "delete")
    assert done.returncode == 1
    assert "names.env" in done.stderr
    assert runs.calls() == []


def test_invoke_stops_where_the_endpoint_has_no_key(runs: Runs) -> None:
    done = runs("invoke", sent="{}", KEY="")
    assert done.returncode == 1
    assert "has no address or key yet" in done.stderr
    assert all(call[0] == "az" for call in runs.calls())


def test_an_endpoint_that_refuses_is_told_with_where_to_look(runs: Runs) -> None:
    done = runs("invoke", "green", sent="{}", FAIL="curl")
    assert done.returncode == 1
    assert "'endpoint.sh logs green' shows its side" in done.stderr


BELOW = ["deployment group create", "deployment group create", "ml workspace provision-network"]
ENDPOINT, DEPLOYMENT, TRAFFIC = "ml online-endpoint create", "ml online-deployment create", "ml online-endpoint update"
ALL = [*BELOW, ENDPOINT, DEPLOYMENT, DEPLOYMENT, TRAFFIC]
# What can be refused, what the script says it stopped at, and how many of the calls above were made by then.
STOPS = [
    ("tritext-infrastructure", "network, storage, registry and workspace", 1),
    ("tritext-roles", "roles", 2),
    ("acr repository show", "image tritext:0.9.0", 2),
    ("provision-network", "managed network", 3),
    ("online-endpoint list", "endpoint sentiment", 3),
    ("online-endpoint create", "endpoint sentiment", 4),
    ("deployment-blue.yml", "deployment blue", 5),
    ("online-deployment list*green", "deployment green", 5),
    ("deployment-green.yml", "deployment green", 6),
    ("sum(values", "traffic", 6),
    ("--traffic", "traffic", 7),
]


@pytest.mark.parametrize(("refused", "stage", "made"), STOPS, ids=[stop[0] for stop in STOPS])
def test_a_step_that_is_refused_says_what_is_there_and_how_to_go_on(
    runs: Runs, refused: str, stage: str, made: int
) -> None:
    done = runs("create", FAIL=refused)
    assert done.returncode == (1 if "acr" in refused else 3)
    assert runs.verbs() == ALL[:made]
    assert f"stopped at {stage} (status {done.returncode})\n" in done.stderr
    assert ("docker push filmregistry.azurecr.io/tritext:0.9.0" in done.stderr) is ("acr" in refused)
    assert f"go on     {SCRIPT} create\n" in done.stderr
    assert (f"undo      {SCRIPT} delete\n" in done.stderr) is (made >= 3 and stage != "managed network")
    assert "undo all  az group delete --subscription 00000000-0000-0000-0000-000000000000 --name films\n" in done.stderr
    assert ("logs blue\n" in done.stderr) is (stage == "deployment blue")
    listed = [line.removeprefix("  done      ") for line in done.stderr.splitlines() if line.startswith("  done")]
    stages = list(dict.fromkeys(each for _, each, _ in STOPS))
    assert listed == (stages[: stages.index(stage)] or ["nothing"])


def test_what_an_earlier_run_made_is_left_as_it_is(runs: Runs) -> None:
    there = "online-endpoint/sentiment=Succeeded online-deployment/blue=Succeeded"
    done = runs("create", THERE=there)
    assert done.returncode == 0, done.stderr
    assert runs.verbs() == [*BELOW, DEPLOYMENT, TRAFFIC]
    assert done.stderr.count("is there: left as it is") == 2


def test_all_of_it_twice_shifts_no_traffic_back(runs: Runs) -> None:
    there = "online-endpoint/sentiment=Succeeded online-deployment/blue=Succeeded online-deployment/green=Succeeded"
    done = runs("create", THERE=there, SHARES="100")
    assert done.returncode == 0, done.stderr
    assert runs.verbs() == BELOW
    assert "there is traffic already: left as it is" in done.stderr


def test_what_azure_still_works_at_is_waited_for_and_what_failed_is_made_again(runs: Runs) -> None:
    there = "online-endpoint/sentiment=Succeeded online-deployment/blue=Creating+Creating+Succeeded"
    done = runs("create", THERE=f"{there} online-deployment/green=Failed")
    assert done.returncode == 0, done.stderr
    assert runs.verbs() == [*BELOW, DEPLOYMENT, TRAFFIC]
    assert done.stderr.count("online-deployment blue: waiting, since Azure is still at it (Creating)") == 1
    assert len([call for call in runs.calls() if "list" in call and "blue" in " ".join(call)]) == 3
    assert "online-deployment green is there and Failed: made again" in done.stderr
    assert [call for call in runs.calls() if "create" in call][-1][5].endswith("deployment-green.yml")


def test_mirror_and_traffic_are_set_at_once(runs: Runs) -> None:
    shutil.copytree(RENDERED, runs.folder / "rendered")
    names = runs.folder / "rendered/names.env"
    names.write_text(names.read_text(encoding="utf-8").replace("MIRROR=", "MIRROR=green=10"), encoding="utf-8")
    assert runs("--rendered", str(runs.folder / "rendered"), "create").returncode == 0
    assert runs.calls()[-1][6:10] == ["--traffic", "blue=100 green=0", "--mirror-traffic", "green=10"]


@pytest.mark.parametrize(
    ("there", "calls"),
    [("", []), ("=Succeeded", ["ml online-endpoint delete"]), ("=Failed", ["ml online-endpoint delete"]),
     ("=Deleting+Deleting+Gone", []), ("=Updating+Succeeded", ["ml online-endpoint delete"])],
)  # fmt: skip
def test_delete_deletes_what_is_there_and_is_content_where_nothing_is(runs: Runs, there: str, calls: list[str]) -> None:
    done = runs("delete", THERE=f"online-endpoint/sentiment{there}" if there else "")
    assert done.returncode == 0, done.stderr
    assert runs.verbs() == calls
    assert ("nothing to delete" in done.stderr) is (calls == [])
    assert "--name films' removes all" in done.stderr


@pytest.mark.parametrize("refused", ["list", "delete"])
def test_a_delete_that_is_refused_is_no_success(runs: Runs, refused: str) -> None:
    done = runs("delete", THERE="online-endpoint/sentiment=Succeeded", FAIL=f"online-endpoint {refused}")
    assert done.returncode == 3
    assert "stopped at endpoint sentiment, which is there or half gone (status 3)" in done.stderr
    assert f"go on     {SCRIPT} delete\n" in done.stderr


def test_a_shift_that_is_refused_says_so(runs: Runs) -> None:
    done = runs("shift", "blue=90", "green=10", FAIL="update")
    assert done.returncode == 3
    assert f"go on     {SCRIPT} shift blue=90 green=10\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "hangs", "stage"),
    [(["create"], "deployment-blue.yml", "deployment blue"), (["delete"], "delete", "endpoint sentiment, which is")],
)
@pytest.mark.parametrize(("sent", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "told to end")])
def test_an_interruption_says_what_is_there_and_that_azure_may_go_on(
    runs: Runs, words: list[str], hangs: str, stage: str, sent: int, said: str
) -> None:
    running = runs.start(*words, THERE="online-endpoint/sentiment=Succeeded", HANG=hangs)
    try:
        ends = time.monotonic() + 60
        while not (runs.folder / "calls.hangs").exists() and time.monotonic() < ends:
            time.sleep(0.02)
        os.killpg(running.pid, sent)
        _, told = running.communicate(timeout=20)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 128 + sent
    assert f"stopped at {stage}" in told
    assert f"({said})\n" in told
    assert "Azure may go on with it" in told


def test_a_machine_without_az_is_told_what_to_install(runs: Runs) -> None:
    (runs.folder / "az").unlink()
    bare = runs.folder / "bare"
    bare.mkdir()
    for name in ("bash", "dirname", "env", "sed"):
        (bare / name).symlink_to(str(shutil.which(name)))
    done = runs("delete", PATH=str(bare))
    assert done.returncode == 1
    assert done.stderr.startswith("endpoint.sh: there is no az: install the Azure CLI, then 'az extension add")
    (bare / "az").symlink_to(RECORDER)
    assert "there is no curl: install it" in runs("invoke", sent="{}", PATH=str(bare)).stderr
    assert runs("delete", "--dry-run", PATH=str(bare)).returncode == 0


def test_nothing_to_classify_is_refused_before_anything_is_called(runs: Runs) -> None:
    done = runs("invoke")
    assert done.returncode == 2
    assert "standard input is empty" in done.stderr
    assert runs.calls() == []
