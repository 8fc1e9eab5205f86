"""Both compose files, as every compose command of this machine understands them."""

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose import CPU, GPU, ROOT, commands, mounts, networks, published, rendered
from tritext_export.triton_gpu import ENGINE_CACHE, TENSORRT_EP
from tritext_export.triton_gpu import GPU as TRITON_GPU
from tritext_serve.endpoint.isolation.containers import DEPLOYMENTS, Ground

OWN_TO_A_STACK = ("image", "build", "user", "deploy", "command", "environment", "volumes")
TRITONS, ENVOYS = ("blue", "green"), ("ingress", "egress")
EVERYBODY = {*TRITONS, *ENVOYS, "prometheus", "grafana"}
# Who is on which network.
NETWORKS = {
    "private": {"ingress"},
    "public": {"ingress"},
    "blue": {"blue", "ingress", "egress"},
    "green": {"green", "ingress", "egress"},
    "outbound": {"egress"},
    "monitoring": {"ingress", "egress", "prometheus", "grafana"},
    "desk": {"prometheus", "grafana"},
}
INTERNAL = {"blue", "green", "monitoring"}


@pytest.fixture(params=commands() or [[]], ids=lambda words: " ".join(words) or "none")
def compose(request: pytest.FixtureRequest) -> list[str]:
    command: list[str] = request.param
    if not command:
        pytest.skip("MISSING: no compose: install docker-compose")
    return command


@pytest.fixture(params=[GPU, CPU])
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def services(compose: list[str], stack: str) -> dict[str, Any]:
    return rendered(compose, stack)


def test_both_stacks_are_whole(services: dict[str, Any]) -> None:
    assert set(services) == EVERYBODY


def test_every_port_is_published_on_loopback(services: dict[str, Any]) -> None:
    assert {name: published(service) for name, service in services.items() if service.get("ports")} == {
        "ingress": {8080: ("127.0.0.1", 8080), 8443: ("127.0.0.1", 8443)},
        "prometheus": {9090: ("127.0.0.1", 9090)},
        "grafana": {3000: ("127.0.0.1", 3000)},
    }


def test_the_private_port_moves_but_its_address_does_not(compose: list[str], stack: str) -> None:
    ports = published(rendered(compose, stack, TRITEXT_PORT="18000", TRITEXT_PUBLIC_ADDRESS="192.0.2.1")["ingress"])
    assert ports == {8080: ("127.0.0.1", 18000), 8443: ("192.0.2.1", 8443)}


def test_who_shares_a_network_is_who_may_speak(services: dict[str, Any]) -> None:
    members = {name: {who for who in services if name in services[who]["networks"]} for name in NETWORKS}
    assert members == NETWORKS


def test_what_is_to_stay_inside_has_no_way_out(compose: list[str], stack: str) -> None:
    found = networks(compose, stack)
    assert {name for name, network in found.items() if network.get("internal")} == INTERNAL
    masquerading = "com.docker.network.bridge.enable_ip_masquerade"
    free = {n for n in set(found) - INTERNAL if found[n].get("driver_opts", {}).get(masquerading) != "false"}
    assert free == {"outbound"}


def test_the_addresses_are_those_that_the_envoys_files_name(compose: list[str], stack: str) -> None:
    ground = Ground("10.9")
    found = rendered(compose, stack, TRITEXT_SUBNET="10.9")

    def address(service: str, network: str) -> str:
        given: str = found[service]["networks"][network]["ipv4_address"]
        return given

    assert (address("ingress", "private"), address("ingress", "public")) == (ground.private, ground.public)
    assert (address("ingress", "monitoring"), address("egress", "monitoring")) == (ground.stats, ground.egress_stats)
    for name in DEPLOYMENTS:
        assert (address(name, name), address("egress", name)) == (ground.triton(name), ground.doorway(name))
        assert found[name]["dns"] == [ground.doorway(name)]


def test_each_watcher_knows_whose_it_is(services: dict[str, Any]) -> None:
    """Under that name the ingress asks it, and its metrics are told apart."""
    for name in TRITONS:
        assert services[name]["environment"]["TRITEXT_DEPLOYMENT"] == name
        assert "init" not in services[name]  # the watcher is process 1


def test_the_ingress_is_stopped_before_whom_it_waits_for(services: dict[str, Any]) -> None:
    assert set(services["ingress"]["depends_on"]) == {"blue"}


def test_green_runs_by_its_profile_alone(services: dict[str, Any]) -> None:
    assert {name: service.get("profiles") for name, service in services.items() if service.get("profiles")} == {
        "green": ["green"]
    }


def test_the_repositories_are_mounted_read_only(compose: list[str], stack: str) -> None:
    found = rendered(compose, stack, TRITEXT_GREEN_REPOSITORY="/candidate")
    assert mounts(found["blue"])["/models"] == (str(ROOT / "model_repository"), True)
    assert mounts(found["green"])["/models"] == ("/candidate", True)


def test_what_holds_keys_is_mounted_read_only_into_the_ingress_alone(services: dict[str, Any]) -> None:
    folder = str(ROOT / "deploy/envoy/rendered")
    script = str(ROOT / "deploy/docker/start-envoy.sh")
    assert set(mounts(services["ingress"]).values()) == {(f"{folder}/ingress", True), (script, True)}
    assert set(mounts(services["egress"]).values()) == {(f"{folder}/egress", True)}
    for name in EVERYBODY - {*ENVOYS}:
        assert not any(source.startswith(folder) for source, _ in mounts(services[name]).values())


def test_engines_that_were_built_outlive_the_container_on_the_gpu_alone(compose: list[str]) -> None:
    for name in TRITONS:
        gpu, cpu = mounts(rendered(compose, GPU)[name]), mounts(rendered(compose, CPU)[name])
        assert gpu == cpu | {ENGINE_CACHE: (f"engines-{name}", False)}
    owner = f"install -d -o 1000 -g 1000 {ENGINE_CACHE}"
    assert owner in (ROOT / "deploy/docker/gpu.Dockerfile").read_text(encoding="utf-8")


def test_the_gpu_stack_picks_a_configuration_that_the_export_writes(compose: list[str]) -> None:
    for chosen, more in ((TRITON_GPU, {}), (TENSORRT_EP, {"TRITEXT_CONFIG": TENSORRT_EP})):
        for name in TRITONS:
            command = rendered(compose, GPU, **more)[name]["command"]
            watcher = ["python3", "-P", "-m", "tritext_serve.endpoint.watch.image", "--"]
            assert command[:7] == [*watcher, "/opt/tritext/start-triton.sh", f"--model-config-name={chosen}"]


def test_the_gpu_stack_passes_on_that_the_uncertified_is_allowed(compose: list[str]) -> None:
    allowed = rendered(compose, GPU, TRITEXT_ALLOW_UNCERTIFIED="1")["blue"]["environment"]
    assert allowed["TRITEXT_ALLOW_UNCERTIFIED"] == "1"


def test_prometheus_and_grafana_read_the_files_beside_them(services: dict[str, Any]) -> None:
    monitoring = ROOT / "deploy/monitoring"
    assert mounts(services["prometheus"])["/etc/prometheus"] == (str(monitoring), True)
    for source, read_only in mounts(services["grafana"]).values():
        assert source == "grafana" or (read_only and Path(source).is_dir() and Path(source).is_relative_to(monitoring))


@pytest.mark.parametrize("name", sorted(EVERYBODY))
def test_a_service_can_do_little(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"mem_limit", "pids_limit", "logging"} <= service.keys()
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & service.keys()


@pytest.mark.parametrize("name", [*TRITONS, *ENVOYS])
def test_what_runs_is_not_root(services: dict[str, Any], name: str) -> None:
    user, group = services[name]["user"].split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["image"].rpartition(":")[2] not in ("", "latest")


def test_the_stacks_differ_in_image_and_device_alone(compose: list[str]) -> None:
    gpu, cpu = rendered(compose, GPU), rendered(compose, CPU)
    for name in EVERYBODY - {*TRITONS}:
        assert gpu[name] == cpu[name]
    for name in TRITONS:
        common = [{k: v for k, v in s[name].items() if k not in OWN_TO_A_STACK} for s in (gpu, cpu)]
        assert common[0] == common[1]
        assert gpu[name]["environment"] == cpu[name]["environment"] | {"TRITEXT_ALLOW_UNCERTIFIED": "0"}
        (device,) = gpu[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"], device["count"]) == ("nvidia", ["gpu"], 1)
        assert "deploy" not in cpu[name]
    assert networks(compose, GPU) == networks(compose, CPU)


def test_what_a_stack_builds_is_there(services: dict[str, Any]) -> None:
    for name in TRITONS:
        build = services[name]["build"]
        assert build["context"] == str(ROOT)
        assert (ROOT / build["dockerfile"]).is_file()
