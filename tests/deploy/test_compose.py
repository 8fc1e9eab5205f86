"""Both compose files, as every compose command of this machine understands them."""

from typing import Any

import pytest

from tests.deploy.compose import CPU, GPU, ROOT, commands, mounts, published, rendered
from tritext_export.triton_gpu import ENGINE_CACHE, TENSORRT_EP
from tritext_export.triton_gpu import GPU as TRITON_GPU

OWN_TO_A_STACK = ("image", "build", "user", "deploy", "command", "environment", "volumes")


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


def test_every_port_is_published_on_loopback(services: dict[str, Any]) -> None:
    assert published(services["triton"]) == {n: ("127.0.0.1", n) for n in (8000, 8001, 8002)}
    assert published(services["prometheus"]) == {9090: ("127.0.0.1", 9090)}


def test_a_port_moves_but_its_address_does_not(compose: list[str], stack: str) -> None:
    ports = published(rendered(compose, stack, TRITEXT_HTTP_PORT="18000")["triton"])
    assert ports[8000] == ("127.0.0.1", 18000)


def test_the_repository_is_mounted_read_only(services: dict[str, Any]) -> None:
    assert mounts(services["triton"])["/models"] == (str(ROOT / "model_repository"), True)


def test_engines_that_were_built_outlive_the_container_on_the_gpu_alone(compose: list[str]) -> None:
    gpu, cpu = mounts(rendered(compose, GPU)["triton"]), mounts(rendered(compose, CPU)["triton"])
    assert gpu == cpu | {ENGINE_CACHE: ("engines", False)}
    owner = f"install -d -o 1000 -g 1000 {ENGINE_CACHE}"
    assert owner in (ROOT / "deploy/docker/gpu.Dockerfile").read_text(encoding="utf-8")


def test_the_gpu_stack_picks_a_configuration_that_the_export_writes(compose: list[str]) -> None:
    for chosen, more in ((TRITON_GPU, {}), (TENSORRT_EP, {"TRITEXT_CONFIG": TENSORRT_EP})):
        command = rendered(compose, GPU, **more)["triton"]["command"]
        assert command[:2] == ["/opt/tritext/start-triton.sh", f"--model-config-name={chosen}"]


def test_the_gpu_stack_passes_on_that_the_uncertified_is_allowed(compose: list[str]) -> None:
    allowed = rendered(compose, GPU, TRITEXT_ALLOW_UNCERTIFIED="1")["triton"]["environment"]
    assert allowed["TRITEXT_ALLOW_UNCERTIFIED"] == "1"


def test_prometheus_reads_the_files_beside_it(services: dict[str, Any]) -> None:
    assert mounts(services["prometheus"])["/etc/prometheus"] == (str(ROOT / "deploy/monitoring"), True)


@pytest.mark.parametrize("name", ["triton", "prometheus"])
def test_a_service_can_do_little(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"mem_limit", "pids_limit", "logging"} <= service.keys()
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & service.keys()


def test_the_server_is_not_root(services: dict[str, Any]) -> None:
    user, group = services["triton"]["user"].split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["image"].rpartition(":")[2] not in ("", "latest")


def test_the_stacks_differ_in_image_and_device_alone(compose: list[str]) -> None:
    gpu, cpu = rendered(compose, GPU), rendered(compose, CPU)
    assert gpu["prometheus"] == cpu["prometheus"]
    common = [{k: v for k, v in s["triton"].items() if k not in OWN_TO_A_STACK} for s in (gpu, cpu)]
    assert common[0] == common[1]
    assert gpu["triton"]["environment"] == cpu["triton"]["environment"] | {"TRITEXT_ALLOW_UNCERTIFIED": "0"}
    (device,) = gpu["triton"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"], device["count"]) == ("nvidia", ["gpu"], 1)
    assert "deploy" not in cpu["triton"]


def test_what_a_stack_builds_is_there(services: dict[str, Any]) -> None:
    build = services["triton"]["build"]
    assert build["context"] == str(ROOT)
    assert (ROOT / build["dockerfile"]).is_file()
