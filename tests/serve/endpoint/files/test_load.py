"""Files together: in any order, told apart by what they hold, refused with every mistake at once."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.endpoint.files.good import FRONTS, GOOD, fronts, good_files, problems
from tests.serve.test_repository import make
from tritext_serve.endpoint.files import load, load_endpoint
from tritext_serve.endpoint.model import Deployment, Endpoint, Network, OutboundRule, Probe, RequestSettings
from tritext_serve.errors import EndpointFileError

EXAMPLES = Path(__file__).parents[4] / "deploy" / "endpoint"
DEPLOYMENT = "name: {name}\nendpoint_name: films\nmodel: {{path: repository, type: triton_model}}\ninstance_type: any\n"


def deployment(name: str) -> Deployment:
    """One of the good files'."""
    variants = {"trained": "sentiment", "naive": "sentiment_naive"} | {front: front for front in FRONTS}
    return Deployment(name, "films", GOOD / "repository", "sentiment", variants=variants)


def write(path: Path, *lines: str) -> Path:
    """Make a file."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@settings(deadline=None)
@given(st.permutations(good_files("network")))
def test_the_order_of_files_says_nothing(paths: list[Path]) -> None:
    assert load_endpoint(paths, fronts) == Endpoint(
        "films",
        traffic={"blue": 90, "green": 10},
        deployments={"blue": deployment("blue"), "green": deployment("green")},
        network=Network("allow_only_approved_outbound", (OutboundRule("reviews", "fqdn", "reviews.example.com"),)),
    )


def test_every_field_that_means_something_is_read(tmp_path: Path) -> None:
    lines = (
        *("name: green", "endpoint_name: films", "instance_count: 3", "instance_type: Standard_DS3_v2"),
        *("model:", "  name: films", "  version: 1", f"  path: {GOOD / 'repository'}", "  type: triton_model"),
        *("request_settings:", "  request_timeout_ms: 180000", "  max_concurrent_requests_per_instance: 4"),
        *("liveness_probe: {initial_delay: 1, period: 2, timeout: 3, success_threshold: 4, failure_threshold: 5}",),
        *("readiness_probe: {period: 6}", "tags: {tritext_model: sentiment_naive, owner: 7}"),
        *("egress_public_network_access: Disabled",),
    )
    endpoint = load_endpoint([*good_files()[:2], write(tmp_path / "green.yml", *lines)], fronts)
    assert endpoint.deployments["green"] == Deployment(
        name="green",
        endpoint_name="films",
        repository=GOOD / "repository",
        model="sentiment_naive",
        instance_count=3,
        request_settings=RequestSettings(180_000, 4),
        liveness=Probe(1, 2, 3, 4, 5),
        readiness=Probe(period=6),
        egress="disabled",
        variants={"trained": "sentiment_naive"} | {front: front for front in FRONTS},
    )


def test_what_azure_knows_and_nothing_here_needs_is_noted_by_line(tmp_path: Path) -> None:
    text = (GOOD / "green.yml").read_text(encoding="utf-8")
    more = (
        "environment_variables: {LD_PRELOAD: evil.so}",
        "code_configuration: {code: src}",
        "app_insights_enabled: on",
        "liveness_probe: {period: 10}",
        "readiness_probe: {period: 60}",
    )
    path = write(tmp_path / "green.yml", text.replace("path: repository", f"path: {GOOD / 'repository'}"), *more)
    notes = load([*good_files()[:2], path], fronts).notes
    assert [note.split(": ")[1] for note in notes if note.startswith(str(path))] == [
        "environment_variables.LD_PRELOAD", "code_configuration", "app_insights_enabled", "readiness_probe",
    ]  # fmt: skip
    assert f"{path}:9: environment_variables.LD_PRELOAD: ignored: no process gets a variable from a file" in notes


def test_a_hexadecimal_number_of_any_length_is_told_and_not_written_out(tmp_path: Path) -> None:
    text = (GOOD / "green.yml").read_text(encoding="utf-8").replace("path: repository", f"path: {GOOD / 'repository'}")
    path = write(tmp_path / "green.yml", text, "instance_count: 0x" + "f" * 6000)
    (said,) = problems(*good_files()[:2], path)
    assert "instance_count: is a number of thousands of digits: write a whole number" in said


def test_an_endpoint_without_traffic_is_noted(tmp_path: Path) -> None:
    endpoint = write(tmp_path / "endpoint.yml", "name: films")
    loaded = load([endpoint, GOOD / "blue.yml"], fronts)
    assert loaded.endpoint.traffic == {}
    assert any(note.startswith(f"{endpoint}:1: traffic: no deployment has any") for note in loaded.notes)


def test_an_open_endpoint_in_a_closed_workspace_is_noted(tmp_path: Path) -> None:
    text = (GOOD / "network.yml").read_text(encoding="utf-8")
    closed = write(tmp_path / "network.yml", text, "public_network_access: Disabled")
    noted = [note.split(": ")[1] for note in load([*good_files(), closed], fronts).notes]
    assert noted == ["public_network_access"]
    assert load([*good_files("network")], fronts).notes == ()


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    endpoint = write(tmp_path / "endpoint.yml", "name: films", "auth_mode: aml_token", "traffic: {blue: 50}")
    blue = write(tmp_path / "blue.yml", DEPLOYMENT.format(name="blue"), "instance_count: 0")
    assert [line.split(": ")[:2] for line in problems(endpoint, blue)] == [
        [f"{endpoint}:2", "auth_mode"],
        [f"{endpoint}:3", "traffic"],
        [f"{blue}:6", "instance_count"],
    ]


def test_traffic_of_a_deployment_whose_file_cannot_be_read_is_not_wrong_too(tmp_path: Path) -> None:
    broken = write(tmp_path / "green.yml", "name: green", "\tmodel: x")
    assert [line.partition(": ")[0] for line in problems(*good_files()[:2], broken)] == [f"{broken}:2"]


@pytest.mark.parametrize("missing", ["nowhere.yml", "folder", "pipe"])
def test_what_is_no_file_is_refused(tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (said,) = problems(*good_files(), tmp_path / missing)
    assert said.startswith(f"{tmp_path / missing}:1: file: is ")
    assert said.endswith(": give a YAML file's path")


def test_one_endpoint_and_one_network_at_a_time(tmp_path: Path) -> None:
    second = write(tmp_path / "endpoint.yml", "name: films")
    (said,) = problems(*good_files(), second)
    assert said.startswith(f"{second}:1: name: is of a second endpoint")
    network = GOOD / "network.yml"
    (said,) = problems(*good_files("network"), network)
    assert said.startswith(f"{network}:3: managed_network: is a second one")


def test_deployments_alone_are_no_endpoint() -> None:
    (said,) = problems(*good_files()[1:])
    assert "none of the files is an endpoint's" in said
    assert problems() == ["0 files: give an endpoint's file and its deployments', up to 64"]


def test_an_endpoint_has_at_most_twenty_deployments(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    files = [write(tmp_path / f"{n}.yml", DEPLOYMENT.format(name=f"d{n:02}")) for n in range(21)]
    endpoint = write(tmp_path / "endpoint.yml", "name: films")
    assert len(load_endpoint([endpoint, *files[:20]], fronts).deployments) == 20
    (said,) = problems(endpoint, *files)
    assert said.startswith(f"{files[20]}:1: name: is the deployment after the 20th")


def test_a_real_repository_is_scanned(tmp_path: Path) -> None:
    make(tmp_path / "repository")
    blue = write(tmp_path / "blue.yml", DEPLOYMENT.format(name="blue"))
    endpoint = write(tmp_path / "endpoint.yml", "name: films", "traffic: {blue: 100}")
    found = load_endpoint([endpoint, blue]).deployments["blue"]
    assert (found.model, found.variants) == ("m", {"trained": "m", "m": "m"})
    assert found.repository == tmp_path / "repository"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "m" / "1" / "model.py").touch(), "a model repository holds"),
        (lambda root: (root / "m" / "config.pbtxt").write_text("}"), "m/config.pbtxt"),
        (lambda root: (root / "m").rename(root / ".m"), "holds no model to serve"),
        (lambda root: root.rename(root.parent / "moved"), "no such directory"),
    ],
    ids=["code", "configuration", "empty", "missing"],
)
def test_a_repository_that_must_not_be_served_is_refused_where_it_is_named(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    root = make(tmp_path / "repository")
    spoil(root)
    blue = write(tmp_path / "blue.yml", DEPLOYMENT.format(name="blue"))
    endpoint = write(tmp_path / "endpoint.yml", "name: films")
    with pytest.raises(EndpointFileError) as caught:
        load_endpoint([endpoint, blue])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{blue}:3: model.path: ")
    assert said in line


def test_a_path_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "repository").symlink_to(tmp_path / "repository")
    blue = write(tmp_path / "blue.yml", DEPLOYMENT.format(name="blue"))
    endpoint = write(tmp_path / "endpoint.yml", "name: films")
    (said,) = problems(endpoint, blue)
    assert said.startswith(f"{blue}:3: model.path: cannot be read")


def test_a_front_that_no_path_can_name_is_refused() -> None:
    with pytest.raises(EndpointFileError, match=r"model\.path: holds 'a b', which no path can name"):
        load_endpoint(good_files(), lambda repository: ["a b"])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3))
def test_any_bytes_are_refused_in_lines_that_name_the_file(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    paths = [folder / f"{number}.yml" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    assert all(line.startswith(f"{folder}/") and line.isprintable() for line in problems(*paths))


def test_the_examples_are_read(tmp_path: Path) -> None:
    files = [EXAMPLES / f"{name}.yml" for name in ("endpoint", "blue", "green", "network")]
    endpoint = load_endpoint(files, lambda repository: FRONTS)
    assert endpoint.traffic == {"blue": 100}
    assert {deployment.repository for deployment in endpoint.deployments.values()} == {
        EXAMPLES.parents[1] / "model_repository"
    }
    assert [rule.address for rule in endpoint.network.outbound_rules] == [None, None, "10.60.5.4"]


def test_of_very_many_mistakes_the_first_are_told(tmp_path: Path) -> None:
    mistakes = [f"{name}: 1" for name in ("blue", "green") for _ in range(200)]
    path = write(tmp_path / "endpoint.yml", "name: films", *mistakes)
    with pytest.raises(EndpointFileError) as caught:
        load_endpoint([path], fronts)
    lines = str(caught.value).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("400 mistakes in these files:", 102, "and 300 more")
