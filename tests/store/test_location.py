import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_store.errors import LocationError
from tritext_store.location import Location, parse_location

ENDPOINT = "https://127.0.0.1:10000/devacct"


@pytest.mark.parametrize(
    ("text", "kind", "service", "path"),
    [
        ("az://models/a/b/", "azure", "https://acct.blob.core.windows.net", "models/a/b"),
        ("abfss://models/a", "azure", "https://acct.blob.core.windows.net", "models/a"),
        ("https://other.blob.core.windows.net/models/a", "azure", "https://other.blob.core.windows.net", "models/a"),
        ("https://other.blob.core.windows.net/models", "azure", "https://other.blob.core.windows.net", "models"),
        ("s3://bucket/a//b", "s3", "", "bucket/a/b"),
        ("gs://bucket/a", "gs", "", "bucket/a"),
        ("file:///data/with%20space", "file", "", "/data/with space"),
        ("relative/folder/", "file", "", "relative/folder"),
        ("/", "file", "", "/"),
    ],
)
def test_an_address_is_taken_apart(text: str, kind: str, service: str, path: str) -> None:
    found = parse_location(text, account="acct")
    assert (found.kind, found.service, found.path, str(found)) == (kind, service, path, text)


def test_an_endpoint_of_ones_own_takes_the_place_of_the_public_one() -> None:
    assert parse_location("az://models/a", endpoint=ENDPOINT).service == ENDPOINT
    found = parse_location(f"{ENDPOINT}/models/a", endpoint=ENDPOINT)
    assert (found.service, found.path) == (ENDPOINT, "models/a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no address"),
        ("ftp://host/a", "nothing here speaks to that"),
        ("http://acct.blob.core.windows.net/models/a", "nothing here speaks to that"),
        ("https://acct.blob.core.windows.net.evil.example/models/a", "nothing here speaks to that"),
        ("https://acct.blob.core.windows.net", "names no container: give az://CONTAINER/PATH"),
        ("az://UPPER/a", "name of a container"),
        ("az://a--b/c", "name of a container"),
        ("az:///a", "names no container"),
        ("s3:///a", "names no bucket"),
        ("az:models/a", "write az://models/a, or ./az:models/a for a path"),
        ("S3:/models/a?sig=secret", "write S3://models/a,"),
        ("file:a", "write file:///a,"),
        ("file://host/data", "'host' would be another machine: write file:///PATH"),
        ("az://models/../keys", "without `.`, `..`"),
        ("az://models/%2e%2e/keys", "without `.`, `..`"),
        ("az://models/a?sv=2025&sig=secret", "everybody can read a command line"),
        ("https://user:secret@acct.blob.core.windows.net/models", "everybody can read a command line"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(LocationError, match=why) as refusal:
        parse_location(text, account="acct")
    assert "secret" not in str(refusal.value)


def test_az_needs_an_account_and_tokens_need_tls() -> None:
    with pytest.raises(LocationError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        parse_location("az://models/a")
    with pytest.raises(LocationError, match="https only"):
        parse_location("az://models/a", endpoint="http://127.0.0.1:10000/devacct")


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for prefix in ("", "az://", "s3://", "https://acct.blob.core.windows.net/"):
        try:
            found = parse_location(prefix + text, account="acct")
        except LocationError:
            continue
        assert isinstance(found, Location)
        assert found.kind == "file" or ".." not in found.path.split("/")
