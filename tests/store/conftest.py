"""What the tests of blob storage share: an Azurite, an issuer of tokens, a proxy that authorises, and an address."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.authorising_proxy import AuthorisingProxy, Faults, authorising_proxy
from tests.azurite import Azurite, azurite
from tests.token_issuer import TokenIssuer, token_issuer

CONTAINER = "models"
_numbers = count()


@pytest.fixture(scope="session")
def blob_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A real Azurite with one container."""
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        running.container(CONTAINER)
        yield running


@pytest.fixture(scope="session")
def issuer() -> Iterator[TokenIssuer]:
    """Who gives principals their tokens."""
    with token_issuer() as running:
        yield running


@pytest.fixture(scope="session")
def running_proxy(blob_service: Azurite, issuer: TokenIssuer) -> Iterator[AuthorisingProxy]:
    """What stands in front of the Azurite."""
    with authorising_proxy(blob_service, issuer) as running:
        yield running


@pytest.fixture
def proxy(running_proxy: AuthorisingProxy, issuer: TokenIssuer) -> AuthorisingProxy:
    """The same, with no grants and no faults."""
    running_proxy.grants.clear()
    running_proxy.seen.clear()
    running_proxy.faults = Faults()
    issuer.claims = {}
    return running_proxy


@pytest.fixture
def uri() -> str:
    """An address under which nothing lies."""
    return f"az://{CONTAINER}/repository-{next(_numbers)}"


@pytest.fixture
def become(proxy: AuthorisingProxy, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let this process be a principal, as a managed identity makes it one."""

    def become_principal(principal: str) -> None:
        for name, value in identity(proxy.service, issuer, principal).items():
            monkeypatch.setenv(name, value)

    return become_principal


@pytest.fixture
def pusher(proxy: AuthorisingProxy, become: Callable[[str], None]) -> None:
    """Let this process be one who may do everything in the container."""
    proxy.grant("pusher", "read list write delete", CONTAINER)
    become("pusher")


@pytest.fixture
def folder_uri(tmp_path: Path) -> str:
    """An address on this disk under which nothing lies."""
    return str(tmp_path / "remote")


def identity(service: Azurite, issuer: TokenIssuer, principal: str) -> dict[str, str]:
    """The environment of a principal's process; what fails is not tried again."""
    return service.environment() | issuer.environment(principal) | {"TRITEXT_BLOB_RETRIES": "0"}
