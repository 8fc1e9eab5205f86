"""Arguments, environment variables and defaults, and what is wrong with them."""

from pathlib import Path

import pytest

from tritext._errors import ConfigurationError
from tritext._settings import Endpoint, Settings, check_timeout, endpoint, model_name


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRITEXT_URL", "TRITEXT_MODEL", "TRITEXT_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_defaults() -> None:
    assert endpoint(None, None, None) == Endpoint("grpc", "127.0.0.1:8001")
    assert model_name(None) == "sentiment"


def test_environment_beats_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_URL", "http://h:1")
    monkeypatch.setenv("TRITEXT_MODEL", "topics")
    monkeypatch.setenv("TRITEXT_API_KEY", "k1")
    assert str(endpoint(None, None, None)) == "http://h:1"
    assert model_name(None) == "topics"
    assert endpoint(None, None, None).headers == {"authorization": "Bearer k1"}


def test_argument_beats_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_URL", "http://h:1")
    monkeypatch.setenv("TRITEXT_MODEL", "topics")
    monkeypatch.setenv("TRITEXT_API_KEY", "k1")
    assert str(endpoint("grpc://g:2", None, None)) == "grpc://g:2"
    assert model_name("mine") == "mine"
    assert endpoint(None, "k2", None).headers == {"authorization": "Bearer k2"}
    assert endpoint(None, "", None).headers == {}


@pytest.mark.parametrize(
    ("url", "authority", "path", "encrypted"),
    [
        ("grpc://h:8001", "h:8001", "", False),
        ("grpcs://h:443/", "h:443", "", True),
        ("http://h:8000/", "h:8000", "", False),
        ("https://h:443/team/a/", "h:443", "/team/a", True),
        ("GRPC://Host:1", "host:1", "", False),
        ("http://[::1]:8000", "[::1]:8000", "", False),
    ],
)
def test_urls(url: str, authority: str, path: str, encrypted: bool) -> None:
    found = endpoint(url, None, None)
    assert (found.authority, found.path, found.encrypted) == (authority, path, encrypted)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("127.0.0.1:8001", "scheme must be one of grpc, grpcs, http, https"),
        ("ftp://h:1", "scheme"),
        ("h", "scheme"),
        ("grpc:h:1", "scheme"),
        ("grpc://h", "names no port"),
        ("grpc://h:", "names no port"),
        ("grpc://:8001", "names no host"),
        ("grpc://h:x", "Port could not be cast"),
        ("grpc://h:70000", "Port out of range"),
        ("grpc://h:0", "names no port"),
        ("grpc://h:1/path", "nothing may follow the port"),
        ("http://h:1?x=1", "nothing may follow the port"),
        ("http://[::1", "Invalid IPv6 URL"),
    ],
)
def test_bad_urls_say_how_to_write_one(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        endpoint(url, None, None)
    assert "grpc://127.0.0.1:8001" in str(caught.value)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="api_key=") as caught:
        endpoint("http://me:secret@h:1", None, None)
    assert "secret" not in str(caught.value)


def test_the_key_is_not_shown() -> None:
    found = endpoint(None, "secret", None)
    assert "secret" not in repr(found) + str(found) + found.describe("m")


@pytest.mark.parametrize("key", ["a b", "a\n", "clé"])
def test_a_key_that_is_no_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="API key") as caught:
        endpoint(None, key, None)
    assert key not in str(caught.value)


def test_a_missing_ca_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file"):
        endpoint(None, None, tmp_path / "ca.pem")
    (tmp_path / "ca.pem").touch()
    assert endpoint(None, None, tmp_path / "ca.pem").ca_file == tmp_path / "ca.pem"


@pytest.mark.parametrize("model", ["", ".hidden", "../x", "a/b", "a b", "ä", "x" * 200, "a\n"])
def test_model_names_that_are_no_path_segment(model: str) -> None:
    with pytest.raises(ConfigurationError, match="model"):
        Settings(Endpoint("grpc", "h:1"), model)


@pytest.mark.parametrize("version", ["0", "-1", "abc", "1.0", "²"])
def test_versions(version: str) -> None:
    with pytest.raises(ConfigurationError, match="version"):
        Settings(Endpoint("grpc", "h:1"), "m", version)


@pytest.mark.parametrize("name", ["retries", "max_batch_size", "concurrency"])
@pytest.mark.parametrize("value", [-1, 1.5, None])
def test_counts(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings(Endpoint("grpc", "h:1"), "m", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", None, True, 1e9])
def test_timeouts_that_are_none(seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        check_timeout(seconds)


def test_timeouts_may_be_whole_numbers() -> None:
    assert check_timeout(2) == 2.0


def test_describe_names_the_version() -> None:
    assert Endpoint("grpc", "h:1").describe("m") == "grpc://h:1 model 'm'"
    assert Endpoint("grpc", "h:1").describe("m", "3") == "grpc://h:1 model 'm' version 3"
