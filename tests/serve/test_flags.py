"""Triton's command line narrows everything that can be narrowed."""

from pathlib import Path

from tritext_serve.flags import RESTRICTED_APIS, Address, triton_flags


def flags(address: Address | None = None) -> dict[str, str]:
    """The flags by name."""
    given = triton_flags(address or Address(), Path("m"), Path("b"), Path("c"), locked_by="word")
    return {name: value for name, _, value in (flag.removeprefix("--").partition("=") for flag in given)}


def test_every_front_listens_on_loopback_by_default() -> None:
    assert {name: value for name, value in flags().items() if name.endswith("-address")} == {
        "http-address": "127.0.0.1",
        "grpc-address": "127.0.0.1",
        "metrics-address": "127.0.0.1",
    }


def test_apis_that_change_or_reveal_the_server_are_restricted_on_both_protocols() -> None:
    for flag in ("http-restricted-api", "grpc-restricted-protocol"):
        apis, _, lock = flags()[flag].partition(":")
        assert set(apis.split(",")) == set(RESTRICTED_APIS)
        assert lock == "tritext-lock=word"


def test_unsafe_conveniences_are_off() -> None:
    given = flags()
    assert given["allow-sagemaker"] == given["allow-vertex-ai"] == "false"
    assert given["model-control-mode"] == "none"
    assert "disable-auto-complete-config" in given
    assert given["exit-on-error"] == given["strict-readiness"] == "true"


def test_a_wildcard_address_is_reached_by_loopback() -> None:
    assert Address("0.0.0.0").reachable_host == "127.0.0.1"
    assert Address("10.0.0.7").reachable_host == "10.0.0.7"
