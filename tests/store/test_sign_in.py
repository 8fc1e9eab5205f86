"""A workload identity and a service principal sign in at a directory, and what is wrong with them is named."""

import datetime
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.authorising_proxy import AuthorisingProxy
from tests.azurite import Azurite
from tests.conftest import ROOT
from tests.store.conftest import CONTAINER
from tests.store.directory import Application, Directory, directory
from tests.store.repositories import Unseen, contents, write_repository
from tests.token_issuer import TokenIssuer
from tritext_store import errors
from tritext_store.commands.sync import Source
from tritext_store.filesystem import open_filesystem
from tritext_store.objects import open_objects
from tritext_store.pull import pull
from tritext_store.push import push
from tritext_store.sign_in import explain_sign_in

CLIENT, SUBJECT = "11111111-2222-3333-4444-555555555555", "system:serviceaccount:tritext:sentiment"
SECRET = "k8Q~of-the-application"  # of the tests' own directory


@pytest.fixture(scope="session")
def running_directory(blob_service: Azurite, issuer: TokenIssuer) -> Iterator[Directory]:
    """A directory with the certificate of the Azurite."""
    with directory(issuer, blob_service.certificates) as running:
        yield running


@pytest.fixture
def application(
    running_directory: Directory,
    uri: str,
    tmp_path: Path,
    pusher: None,
    proxy: AuthorisingProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Application:
    """An application that may read what has been pushed; this process is to sign in as it, by means yet to be given."""
    push(write_repository(tmp_path / "first"), open_objects(uri), Unseen())
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name)
    for name, value in running_directory.environment(CLIENT).items():
        monkeypatch.setenv(name, value)
    proxy.grant(CLIENT, "read list", CONTAINER)
    running_directory.signed_in.clear()
    running_directory.applications = {CLIENT: Application()}
    return running_directory.applications[CLIENT]


@pytest.fixture
def source(uri: str, tmp_path: Path) -> Source:
    """What `tritext repository sync` pulls with."""
    return Source(uri, tmp_path / "here")


def works(source: Source, tmp_path: Path) -> bool:
    """Whether a pull brings what was pushed."""
    source.pull()
    return contents(tmp_path / "here") == contents(tmp_path / "first")


def certificate(path: Path) -> Path:
    """Make a certificate of a service principal's own, with its key in the same file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tritext")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    plain = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(plain + made.public_bytes(encoding))
    return path


@pytest.mark.e2e
def test_a_pod_signs_in_with_its_federated_token_and_with_the_next_one(
    tmp_path: Path,
    application: Application,
    running_directory: Directory,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    application.subject, file = SUBJECT, tmp_path / "token"
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(file))
    good = running_directory.federated(SUBJECT)
    wrong: list[tuple[str | None, type[errors.StoreError], str]] = [
        (None, errors.Denied, r"/token: No such file or directory: check AZURE_FEDERATED_TOKEN_FILE"),
        (running_directory.federated(SUBJECT, exp=1, nbf=0), errors.CredentialExpired, "AADSTS700024.*is renewed"),
        (running_directory.federated("other"), errors.Denied, "AADSTS700213.*subject"),
        (running_directory.federated(SUBJECT, aud="api://x"), errors.Denied, "AADSTS700212.*audience"),
        (running_directory.federated(SUBJECT, iss="https://x.example/"), errors.Denied, "AADSTS700211.*issuer"),
        (running_directory.federated(SUBJECT, stranger=True), errors.Denied, "AADSTS50013.*does not trust"),
    ]
    for token, error, words in wrong:
        if token is not None:
            file.write_text(token, encoding="ascii")
        with pytest.raises(errors.Denied, match=words) as refusal:
            source.pull()
        assert type(refusal.value) is error
        assert token is None or token not in str(refusal.value)
    file.write_text(good, encoding="ascii")
    assert works(source, tmp_path)
    assert running_directory.signed_in == [CLIENT]


@pytest.mark.e2e
def test_a_service_principal_signs_in_with_its_secret(
    tmp_path: Path, application: Application, uri: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.secret = SECRET
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "not-this-one")
    with pytest.raises(errors.Denied, match=r"AADSTS7000215.*the client secret is wrong") as refusal:
        source.pull()
    assert "not-this-one" not in str(refusal.value)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    application.ended = True
    with pytest.raises(errors.CredentialExpired, match=r"AADSTS7000222.*has ended"):
        source.pull()
    application.ended = False
    assert works(source, tmp_path)
    with pytest.raises(errors.Denied, match="AuthorizationPermissionMismatch"):  # it may read, and no more
        push(write_repository(tmp_path / "second", 2), open_objects(uri), Unseen())


@pytest.mark.e2e
def test_a_service_principal_signs_in_with_its_certificate_and_with_the_next_one(
    tmp_path: Path, application: Application, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "principal.pem"
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(path))
    for content, words in ((None, "No such file"), ("no certificate", "cannot be used: ")):
        if content:
            path.write_text(content, encoding="ascii")
        with pytest.raises(errors.Denied, match=words) as refusal:
            source.pull()
        assert "AZURE_CLIENT_CERTIFICATE_PATH" in str(refusal.value)
    application.register(certificate(path))
    certificate(path)  # another one, which the application does not know
    with pytest.raises(errors.Denied, match=r"AADSTS700027.*does not know the certificate"):
        source.pull()
    application.register(path)
    assert works(source, tmp_path)


@pytest.mark.e2e
def test_a_directory_that_knows_nothing_of_it_or_does_not_answer_is_named(
    tmp_path: Path, application: Application, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", SECRET)
    application.secret = SECRET
    for name, value, error, words in (
        ("AZURE_CLIENT_ID", "nobody", errors.Denied, "AADSTS700016.*no such application"),
        ("AZURE_TENANT_ID", "elsewhere", errors.Denied, "AADSTS90002.*no such directory"),
        ("AZURE_TENANT_ID", "no tenant!", errors.Denied, "cannot be used: "),
        ("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1", errors.Unreachable, "the directory cannot be reached"),
        ("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1", errors.Denied, "cannot be used: "),
        ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", errors.Unreachable, "certificate verify failed"),
    ):
        with monkeypatch.context() as change:
            change.setenv(name, value)
            with pytest.raises(errors.StoreError, match=words) as refusal:
                pull(open_objects(source._uri), tmp_path / "here", Unseen())
            assert type(refusal.value) is error
            assert "\n" not in str(refusal.value)
    assert works(source, tmp_path)


@pytest.mark.e2e
def test_the_command_says_it_in_one_line(application: Application, uri: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.store.command", "repository", "pull", uri, str(tmp_path / "here")]
    environment = os.environ | {"AZURE_CLIENT_SECRET": SECRET}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "AADSTS7000215" in done.stderr


def test_what_is_no_sas_is_told_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_BLOB_ENDPOINT", "https://127.0.0.1:1/devacct")
    monkeypatch.delenv("TRITEXT_SAS_FILE", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2025&bogus")
    with pytest.raises(errors.Denied, match=r"AZURE_STORAGE_SAS_TOKEN holds no SAS") as refusal:
        open_objects("az://models/a")
    assert "bogus" not in str(refusal.value)


@pytest.mark.parametrize("name", ["nothing", "."])
def test_authorities_that_cannot_be_read_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITEXT_BLOB_ENDPOINT", "https://127.0.0.1:1/devacct")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
    with pytest.raises(errors.LocalError, match=r"no authorities to trust .*: check SSL_CERT_FILE"):
        open_filesystem("az://models/a")


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (
            "AADSTS7000222: ended",
            errors.CredentialExpired,
            "make a new one, put the one of now into AZURE_CLIENT_SECRET",
        ),
        ("AADSTS7000215: wrong", errors.Denied, "put the one of now into AZURE_CLIENT_SECRET, and start again"),
        ("AADSTS99999: what?", errors.Denied, "look the code up"),
        ("W: [Errno 13] Permission denied: '/run/token'", errors.Denied, "/run/token: Permission denied"),
        ("E: Cannot connect to host a:443 ssl:True [Name or service not known]", errors.Unreachable, "not known"),
        ("EnvironmentCredential authentication unavailable.", errors.Denied, "TRITEXT_SAS_FILE"),
    ],
)
def test_what_the_package_says_is_put_into_words(said: str, error: type[errors.StoreError], words: str) -> None:
    found = explain_sign_in("az://models", f"DefaultAzureCredential failed.\n\tAttempted: {said}\nsecret=abc")
    assert type(found) is error
    assert words in str(found)
    assert "abc" not in str(found)
