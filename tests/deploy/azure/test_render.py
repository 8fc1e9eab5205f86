"""``tritext endpoint render --target azure``: the endpoint's own files in, all that Azure reads out."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.azure.bicep import build, declared
from tests.deploy.azure.files import AZURE, RENDERED, SOURCES, WRONG, fronts, parameters
from tests.export.repositories import FACTS, publish_version
from tritext._cli.main import main
from tritext_serve.azure.parameters import ranges
from tritext_serve.azure.render import Rendered, render
from tritext_serve.azure.rules import problems
from tritext_serve.errors import EndpointFileError

Run = Callable[..., "Done"]
CLOUD = AZURE / "cloud.yml"
NAMES = ("endpoint", "blue", "green", "network")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The demo's files beside a repository that is there."""
    publish_version(tmp_path / "models", canary={"text": "Are you well?", "label_id": 1})
    for path in (*SOURCES, CLOUD):
        text = path.read_text(encoding="utf-8").replace("../../model_repository", "models")
        text = text.replace("tritext_model: sentiment", "tritext_model: m")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return tmp_path


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Change one passage of one file."""
    path = folder / f"{name}.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def rendered(folder: Path, names: tuple[str, ...] = NAMES) -> Rendered:
    """Render the files of a folder."""
    return render([folder / f"{name}.yml" for name in names], folder / "cloud.yml", folder / "out")


@dataclass(frozen=True)
class Done:
    """What a run of the command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the command in the folder of the files."""
    monkeypatch.chdir(folder)

    def render_for_azure(*names: str, output: str = "out") -> Done:
        files = [f"{name}.yml" for name in names or NAMES]
        words = ["endpoint", "render", "--target", "azure", *files, "--cloud", "cloud.yml", "--output", output]
        return Done(main(words), *capsys.readouterr())

    return render_for_azure


def test_what_lies_in_the_tree_is_what_is_rendered_now() -> None:
    texts = render(SOURCES, CLOUD, RENDERED, fronts).texts
    assert {path.name: path.read_text(encoding="utf-8") for path in RENDERED.iterdir()} == texts


def test_the_parameters_are_those_that_bicep_declares() -> None:
    asked = declared(AZURE / "main.bicep")
    assert set(parameters()) == set(asked)
    assert {name for name, needed in asked.items() if not needed} == {"callers"}


def test_what_it_writes_passes_the_rules_and_is_written_once(folder: Path, run: Run) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    written = sorted((folder / "out").iterdir())
    assert problems([path for path in written if path.suffix in (".yml", ".json")]) == ()
    before = {path.name: path.stat().st_ino for path in written}
    change(folder, "endpoint", "films.", "plays.")
    assert run().returncode == 0
    after = {path.name: path.stat().st_ino for path in (folder / "out").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"endpoint.yml"}


def test_what_is_not_as_the_files_say_is_told_by_line(run: Run) -> None:
    done = run()
    kind = "type custom_model is written: triton_model would run in Azure's image, without our backend"
    limit = "max_concurrent_requests_per_instance: 64 is written; Azure would take 1"
    assert done.stderr.splitlines() == [
        "endpoint.yml:9: traffic: is for after the deployments: see names.env",
        f"blue.yml:5: model: {kind}",
        f"blue.yml:14: request_settings: {limit}",
        f"green.yml:6: model: {kind}",
        f"green.yml:15: request_settings: {limit}",
        "network.yml:23: tags: left out: it is set by the cloud's file, or by Azure",
    ]
    assert "endpoint.sh create --dry-run" in done.stdout


def test_a_deployment_that_is_gone_leaves_no_file(folder: Path, run: Run) -> None:
    assert run().returncode == 0
    assert run("endpoint", "blue", "network").returncode == 0
    assert [path.name for path in (folder / "out").glob("deployment-*")] == ["deployment-blue.yml"]


def test_a_deployments_file_that_somebody_else_wrote_stays(folder: Path, run: Run) -> None:
    (folder / "out").mkdir()
    (folder / "out/deployment-red.yml").write_text("name: red\n", encoding="utf-8")
    assert run().returncode == 0
    assert (folder / "out/deployment-red.yml").read_text(encoding="utf-8") == "name: red\n"


def test_no_file_is_written_over_that_the_others_are_rendered_from(folder: Path, run: Run) -> None:
    before = {path: path.read_bytes() for path in folder.glob("*.yml")}
    done = run(output=".")
    assert done.returncode == 1
    assert "endpoint.yml: would be written over: choose another folder with --output" in done.stderr
    assert {path: path.read_bytes() for path in folder.glob("*.yml")} == before


def test_the_models_path_is_seen_from_the_rendered_folder(folder: Path, run: Run) -> None:
    assert run().returncode == 0
    document = yaml.safe_load((folder / "out/deployment-blue.yml").read_text(encoding="utf-8"))
    assert (folder / "out" / document["model"]["path"]).resolve() == folder / "models"


def test_a_limit_of_ones_own_stays(folder: Path) -> None:
    change(folder, "blue", "  request_timeout_ms", "  max_concurrent_requests_per_instance: 7\n  request_timeout_ms")
    document = yaml.safe_load(rendered(folder).texts["deployment-blue.yml"])
    assert document["request_settings"] == {"max_concurrent_requests_per_instance": 7, "request_timeout_ms": 5000}


def test_the_way_to_storage_goes_to_bicep(folder: Path) -> None:
    change(folder, "cloud", "storage_access: private_endpoint", "storage_access: service_endpoint")
    given = json.loads(rendered(folder).texts["main.parameters.json"])["parameters"]
    made = build(AZURE / "main.bicep", {name: value["value"] for name, value in given.items()})
    (account,) = made.of("Microsoft.Storage/storageAccounts")
    assert account.body["properties"]["publicNetworkAccess"] == "Enabled"
    assert [each.name for each in made.of("Microsoft.Network/serviceEndpointPolicies")] != []


def test_peered_networks_go_to_bicep(folder: Path) -> None:
    change(folder, "cloud", "callers: []", "callers: [10.70.0.0/24]")
    given = json.loads(rendered(folder).texts["main.parameters.json"])["parameters"]
    assert given["callers"] == {"value": ["10.70.0.0/24"]}


def test_mirror_and_shares_go_to_the_script(folder: Path) -> None:
    change(folder, "endpoint", "traffic:", "mirror_traffic:\n  green: 10\ntraffic:")
    names = dict(line.split("=", 1) for line in rendered(folder).texts["names.env"].splitlines())
    assert (names["TRAFFIC"], names["MIRROR"]) == ("blue=100 green=0", "green=10")


def test_models_of_two_names_behind_one_endpoint_are_refused(folder: Path) -> None:
    """Callers name the model: whoever of them reached the other deployment would get 404."""
    change(folder, "green", "path: models", "path: others")
    change(folder, "green", "tritext_model: m", "tritext_model: n")
    publish_version(folder / "others", replace(FACTS, name="n"), canary={"text": "Are you well?", "label_id": 1})
    with pytest.raises(EndpointFileError) as caught:
        rendered(folder)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{folder}/green.yml:6: model: answers as 'n', and {folder}/blue.yml as 'm': ")
    assert line.endswith("write `tags: {tritext_model: m}`, or export it as m")


def test_a_model_that_no_tag_names_is_named_in_what_is_rendered(folder: Path) -> None:
    change(folder, "green", "tags:\n  tritext_model: m ", "description: A candidate. ")
    document = yaml.safe_load(rendered(folder).texts["deployment-green.yml"])
    assert document["tags"] == {"tritext_model": "m"}


ONE = "instance_count: 1"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("endpoint", "access: disabled", "access: enabled", ":8: public_network_access: is open to the public"),
        ("network", "only_approved_outbound", "internet_outbound", "network.yml:"),
        ("network", "location: westeurope", "location: $(id)", "network.yml:4: location: '$(id)' is not one"),
        ("network", "name: sentiment-workspace", "name: a b", "network.yml:3: name: 'a b' is not one"),
        ("network", "location: westeurope\n", "", "network.yml:2: location: is missing"),
        ("blue", ONE, f"{ONE}\ncode_configuration: {{code: .}}", "blue.yml:14: code_configuration: "),
        ("blue", ONE, f"{ONE}\ndata_collector: {{}}", "blue.yml:14: data_collector: "),
        ("blue", ONE, f"{ONE}\nenvironment_variables: {{LD_PRELOAD: x}}", "blue.yml:14: environment_v"),
        ("blue", ONE, f"{ONE}\nenvironment_variables: {{SAS_TOKEN: x}}", "every reader of the workspace"),
        ("blue", "Standard_F4s_v2", "Standard_B2ms", "blue.yml:12: instance_type: 'Standard_B2ms' lends its processor"),
        ("blue", "timeout: 2", "timeout: 20", "liveness_probe.timeout: is 20, longer than the period of 10"),
        ("cloud", "prefix: output/", "prefix: input/", "cloud.yml:17: output: 'input/' lies within the input"),
        ("cloud", "registry: filmregistry", "registry: r", "cloud.yml:9: registry: 'r' is not a name"),
    ],
)  # fmt: skip
def test_what_azure_has_no_place_for_is_refused_by_line_and_nothing_is_written(
    folder: Path, name: str, old: str, new: str, said: str
) -> None:
    change(folder, name, old, new)
    with pytest.raises(EndpointFileError) as caught:
        rendered(folder)
    assert said in str(caught.value)
    assert not (folder / "out").exists()


def test_without_a_workspace_nothing_is_rendered(folder: Path, run: Run) -> None:
    done = run("endpoint", "blue", "green")
    assert done.returncode == 1
    assert "endpoint.yml:1: file: no workspace's file is given" in done.stderr


def test_without_a_deployment_nothing_is_rendered(folder: Path, run: Run) -> None:
    change(folder, "endpoint", "traffic:\n  blue: 100\n", "")
    done = run("endpoint", "network")
    assert done.returncode == 1
    assert "endpoint.yml:1: file: no deployment's file is given" in done.stderr


@pytest.mark.parametrize(
    ("missing", "said"),
    [("cloud.yml", "cloud.yml: is not there: "), ("network.yml", "network.yml:1: file: is not there")],
)
def test_a_file_that_is_not_there_is_named(folder: Path, run: Run, missing: str, said: str) -> None:
    (folder / missing).unlink()
    done = run()
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_named(folder: Path, run: Run) -> None:
    done = run(output="/proc/nowhere")
    assert done.returncode == 1
    assert "/proc/nowhere: " in done.stderr
    assert "choose another with --output" in done.stderr


def test_files_of_others_are_judged_and_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    good = [str(path) for path in sorted(RENDERED.glob("*.yml"))]
    assert main(["endpoint", "render", "--target", "azure", "--check", *good]) == 0
    assert f"against {len(good)} files" in capsys.readouterr().out
    wrong = WRONG / "endpoint-open-to-the-public.yml"
    assert main(["endpoint", "render", "--target", "azure", "--check", *good, str(wrong)]) == 1
    assert f"{wrong}:" in capsys.readouterr().err


@given(st.integers(0, 255), st.integers(16, 24))
def test_two_subnets_are_cut_from_any_network(second: int, size: int) -> None:
    jobs, endpoints = ranges(f"10.{second}.0.0/{size}")
    assert (jobs, endpoints) == (f"10.{second}.0.0/26", f"10.{second}.0.64/26")
