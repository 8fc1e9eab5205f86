"""Push and pull against a real Azurite over TLS, as principals that the proxy authorises."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.authorising_proxy import AuthorisingProxy, Faults
from tests.azurite import Azurite
from tests.store.conftest import CONTAINER
from tests.store.repositories import Unseen, contents, write_repository
from tests.token_issuer import TokenIssuer
from tritext_store import errors
from tritext_store.commands.sync import Source
from tritext_store.filesystem import explained, open_filesystem
from tritext_store.index import INDEX_NAME
from tritext_store.objects import Objects, open_objects
from tritext_store.pull import pull
from tritext_store.push import push

pytestmark = pytest.mark.e2e
BLOCKS = 9_000_000  # bytes of a model that takes more than one block
Become = Callable[[str], None]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A repository on this disk."""
    return write_repository(tmp_path / "first", 1)


@pytest.fixture
def pushed(first: Path, uri: str, pusher: None) -> Objects:
    """The same, in Azurite."""
    objects = open_objects(uri)
    push(first, objects, Unseen())
    return objects


@pytest.fixture
def target(pushed: Objects, tmp_path: Path) -> Path:
    """The same, pulled."""
    pull(pushed, tmp_path / "here", Unseen())
    return tmp_path / "here"


def tampered(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_what_was_pushed_is_what_is_pulled_in_blocks_too(tmp_path: Path, uri: str, pusher: None) -> None:
    repository = write_repository(tmp_path / "first", weights=BLOCKS)
    assert push(repository, open_objects(uri), Unseen()).uploaded > BLOCKS
    assert push(repository, open_objects(uri), Unseen()).uploaded == 0
    pull(open_objects(uri), tmp_path / "here", Unseen())
    assert contents(tmp_path / "here") == contents(repository)


def test_a_reader_may_pull_and_not_push_and_other_prefixes_are_closed(
    tmp_path: Path, first: Path, pushed: Objects, proxy: AuthorisingProxy, become: Become
) -> None:
    proxy.grant("reader", "read list", CONTAINER, pushed.location.path.partition("/")[2] + "/")
    become("reader")
    address = str(pushed.location)
    pull(open_objects(address), tmp_path / "here", Unseen())
    assert contents(tmp_path / "here") == contents(first)
    with pytest.raises(errors.Denied, match=r"AuthorizationPermissionMismatch.*Storage Blob Data Contributor"):
        push(write_repository(tmp_path / "second", 2), open_objects(address), Unseen())
    with pytest.raises(errors.Denied, match="Storage Blob Data Reader"):
        pull(open_objects(f"az://{CONTAINER}/elsewhere"), tmp_path / "there", Unseen())


def test_who_may_not_delete_pushes_all_the_same(
    tmp_path: Path, uri: str, proxy: AuthorisingProxy, become: Become
) -> None:
    proxy.grant("writer", "read list write", CONTAINER)
    become("writer")
    assert push(write_repository(tmp_path / "first"), open_objects(uri), Unseen()).changed


FAULTS: list[tuple[dict[str, Any], type[errors.StoreError], str]] = [
    ({"outage": True}, errors.Unreachable, "cannot be reached"),
    ({"status": 500}, errors.Unreachable, "failed with status 500"),
    ({"status": 403}, errors.Denied, "access denied"),
    ({"status": 403, "skew": -3600.0}, errors.ClockSkew, "60 minutes ahead of the service's"),
    ({"status": 403, "skew": 3600.0}, errors.ClockSkew, "60 minutes behind the service's"),
    ({"tamper": tampered}, errors.Damaged, "what was pushed"),
    ({"tamper": lambda content: content[:-9]}, errors.StoreError, ""),
]


@pytest.mark.parametrize("late", [False, True], ids=["at the index", "in the middle"])
def test_the_old_state_stays_and_the_reason_is_named(
    first: Path, target: Path, pushed: Objects, proxy: AuthorisingProxy, *, late: bool
) -> None:
    old, address = contents(target), str(pushed.location)
    push(write_repository(first, 2), pushed, Unseen())
    for fault, usual, usual_words in FAULTS:
        of_index = "tamper" in fault and not late
        error, words = (errors.Damaged, INDEX_NAME) if of_index else (usual, usual_words)
        proxy.faults = Faults(**fault, only=lambda request: request.name.endswith(INDEX_NAME) != late)
        with pytest.raises(error) as refusal:
            pull(open_objects(address), target, Unseen())
        assert words in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert contents(target) == old
    proxy.faults = Faults()
    pull(open_objects(address), target, Unseen())
    assert contents(target) == contents(first)


def test_a_content_that_is_cut_off_is_named_with_both_hashes(
    tmp_path: Path, first: Path, pushed: Objects, blob_service: Azurite
) -> None:
    [name] = [name for name, (size, _) in pushed.sizes("content").items() if size == 40_000]
    container, path = blob_service.container(CONTAINER), f"{pushed.location.path.partition('/')[2]}/{name}"
    whole = container.download_blob(path).readall()
    for content in (whole[:-7], b""):
        container.upload_blob(path, content, overwrite=True)
        with pytest.raises(errors.Damaged, match=r"model.onnx: what came has sha256 .*, what was pushed"):
            pull(pushed, tmp_path / "here", Unseen())
    push(first, pushed, Unseen())
    pull(pushed, tmp_path / "here", Unseen())
    assert contents(tmp_path / "here") == contents(first)


def test_a_failure_in_passing_is_tried_again(
    tmp_path: Path, pushed: Objects, proxy: AuthorisingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITEXT_BLOB_RETRIES", "3")
    proxy.faults = Faults(status=503, left=1)
    pull(open_objects(str(pushed.location)), tmp_path / "here", Unseen())
    assert [status for request, status in proxy.seen if request.name.endswith(INDEX_NAME)][-2:] == [503, 206]


def test_a_sas_that_is_not_good_is_named(
    tmp_path: Path, pushed: Objects, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start, end, permission, error in (
        (-7200, -3600, "rl", errors.CredentialExpired),
        (3600, 7200, "rl", errors.ClockSkew),
        (-900, 3600, "w", errors.Denied),
    ):
        sas = blob_service.shared_access(CONTAINER, permission, start=start, end=end)
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", sas)
        with pytest.raises(errors.Denied) as refusal:
            pull(open_objects(str(pushed.location)), tmp_path / "here", Unseen())
        assert type(refusal.value) is error
        assert "sig" not in str(refusal.value)


def test_a_sas_of_another_container_a_tampered_one_and_one_that_may_only_read(
    tmp_path: Path, first: Path, pushed: Objects, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob_service.container("others")
    address = str(pushed.location)
    good = blob_service.shared_access(CONTAINER, "rl")
    for sas in (blob_service.shared_access("others", "rl"), good.replace("sig=", "sig=A")):
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", sas)
        with pytest.raises(errors.Denied, match="another container"):
            pull(open_objects(address), tmp_path / "here", Unseen())
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", good)
    pull(open_objects(address), tmp_path / "here", Unseen())
    with pytest.raises(errors.Denied):
        push(write_repository(first, 2), open_objects(address), Unseen())


def test_a_sas_that_is_renewed_in_its_file_is_used_at_once(
    tmp_path: Path, uri: str, blob_service: Azurite, proxy: AuthorisingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sas"
    for name, value in (proxy.service.environment() | {"TRITEXT_SAS_FILE": str(file)}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(errors.Denied, match="cannot be read"):
        open_objects(uri)
    file.write_text("nothing of use", encoding="ascii")
    with pytest.raises(errors.CredentialExpired, match="holds no SAS"):
        open_objects(uri)
    file.write_text(blob_service.shared_access(CONTAINER, start=-7200, end=-3600), encoding="ascii")
    objects = open_objects(uri)
    with pytest.raises(errors.CredentialExpired):
        objects.sizes("content")
    file.write_text("?" + blob_service.shared_access(CONTAINER) + "\n", encoding="ascii")
    assert push(write_repository(tmp_path / "first"), objects, Unseen()).changed


def test_a_token_that_is_not_good_is_named_and_the_next_one_is_taken(
    tmp_path: Path, pushed: Objects, blob_service: Azurite, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITEXT_BLOB_ENDPOINT", blob_service.url)  # whose own words are to be understood
    now = time.time()
    wrong: list[tuple[dict[str, Any], type[errors.StoreError]]] = [
        ({"exp": now - 60}, errors.CredentialExpired),
        ({"nbf": now + 3600}, errors.CredentialExpired),
        ({"aud": "https://vault.azure.net"}, errors.Denied),
        ({"iss": "https://another.example/"}, errors.Denied),
    ]
    for claims, error in wrong:
        issuer.claims = claims
        with pytest.raises(errors.Denied) as refusal:
            pull(open_objects(str(pushed.location)), tmp_path / "here", Unseen())
        assert type(refusal.value) is error
    issuer.claims = {}
    pull(open_objects(str(pushed.location)), tmp_path / "here", Unseen())


def test_a_stranger_is_refused(tmp_path: Path, pushed: Objects, become: Become) -> None:
    become("stranger")
    with pytest.raises(errors.Denied, match="AuthorizationPermissionMismatch"):
        pull(open_objects(str(pushed.location)), tmp_path / "here", Unseen())


def test_without_any_credential_the_remedy_is_named(
    tmp_path: Path, uri: str, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in blob_service.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TRITEXT_BLOB_RETRIES", "0")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(errors.Denied, match=r"no credential.*TRITEXT_SAS_FILE"):
        pull(open_objects(uri), tmp_path / "here", Unseen())


def test_a_service_that_cannot_be_reached_or_trusted_is_named(
    tmp_path: Path, pushed: Objects, blob_service: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(pushed.location)
    for endpoint in ("https://127.0.0.1:1/devacct", "https://no-such-host.invalid/devacct"):
        monkeypatch.setenv("TRITEXT_BLOB_ENDPOINT", endpoint)
        with pytest.raises(errors.Unreachable, match="check the name, the network"):
            pull(open_objects(address), tmp_path / "here", Unseen())
    monkeypatch.setenv("TRITEXT_BLOB_ENDPOINT", blob_service.url)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(errors.Unreachable, match=r"certificate verify failed.*who signed its certificate"):
        pull(open_objects(address), tmp_path / "here", Unseen())


def test_a_container_that_is_not_there_is_named(
    tmp_path: Path, first: Path, pusher: None, proxy: AuthorisingProxy
) -> None:
    proxy.grant("pusher", "read list write", "nowhere")
    with pytest.raises(errors.NotFound, match="no such container"):
        pull(open_objects("az://nowhere/repository"), tmp_path / "here", Unseen())
    with pytest.raises(errors.NotFound, match="no such container"):
        push(first, open_objects("az://nowhere/repository"), Unseen())


def test_of_pushers_at_once_one_wins_and_the_others_are_told(tmp_path: Path, uri: str, pusher: None) -> None:
    repositories = [write_repository(tmp_path / str(seed), seed) for seed in range(3)]
    outcomes: dict[int, str] = {}
    ready = threading.Barrier(3)

    def one(number: int) -> None:
        objects = open_objects(uri)
        ready.wait()
        try:
            outcomes[number] = push(repositories[number], objects, Unseen()).generation
        except errors.Changed as error:
            outcomes[number] = str(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pulled = pull(open_objects(uri), tmp_path / "here", Unseen())
    [winner] = [number for number, outcome in outcomes.items() if outcome == pulled.generation]
    assert contents(tmp_path / "here") == contents(repositories[winner])
    assert all("somebody else" in outcome or len(outcome) == 32 for outcome in outcomes.values())


def test_following_for_long_takes_no_more_connections(
    tmp_path: Path, first: Path, pushed: Objects, proxy: AuthorisingProxy
) -> None:
    source, this = Source(str(pushed.location), tmp_path / "here"), psutil.Process()
    port, counts = urlsplit(proxy.service.url).port, []
    for number in range(10):
        write_repository(first, number)
        push(first, pushed, Unseen())
        source.pull()
        proxy.faults = Faults(status=403)
        with pytest.raises(errors.Denied):
            source.pull()
        proxy.faults = Faults()
        connections = [each for each in this.net_connections("tcp") if each.raddr and each.raddr.port == port]
        counts.append(len(connections))
    # The clients' pools breathe by a few; one that were never closed would leave its own each round.
    assert min(counts[-3:]) - min(counts[1:4]) <= 2, counts


def test_the_file_system_reads_in_blocks_and_writes_only_what_is_not_there(uri: str, pusher: None) -> None:
    files, path = open_filesystem(uri)
    with explained(uri):
        files.pipe_file(f"{path}/texts", b"0123456789", mode="create")
        assert files.cat_file(f"{path}/texts", start=2, end=5) == b"234"
        with files.open(f"{path}/texts", "rb") as stream:
            assert stream.read() == b"0123456789"
        with pytest.raises(FileExistsError):
            files.pipe_file(f"{path}/texts", b"x", mode="create")
    with pytest.raises(errors.NotFound), explained(uri):
        files.cat_file(f"{path}/nothing")
