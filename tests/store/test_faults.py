import pytest

from tritext_store import errors
from tritext_store.faults import Refusal, explain

HOUR = 3600.0


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (Refusal(404, "ContainerNotFound"), errors.NotFound, "no such container"),
        (Refusal(404, "BlobNotFound"), errors.NotFound, "nothing under this name"),
        (Refusal(403, "AuthorizationPermissionMismatch"), errors.Denied, "Storage Blob Data Reader"),
        (Refusal(403), errors.Denied, "status 403"),
        (Refusal(403, "AuthenticationFailed", skew=HOUR), errors.ClockSkew, "60 minutes ahead of the service's"),
        (Refusal(401, "AuthenticationFailed", skew=-HOUR), errors.ClockSkew, "60 minutes behind the service's"),
        (Refusal(403, "AuthenticationFailed", skew=800), errors.Denied, "access denied"),
        (Refusal(403, "AuthenticationFailed", expiry=-120), errors.CredentialExpired, "ended 2 minutes ago"),
        (Refusal(403, "AuthenticationFailed", expiry=120), errors.Denied, "access denied"),
        (Refusal(403, "AuthenticationFailed", begins=HOUR), errors.ClockSkew, "begins only in 60 minutes"),
        (Refusal(401, "", "The token is expired."), errors.CredentialExpired, "not good at this time"),
        (Refusal(409, "BlobAlreadyExists"), errors.Changed, "somebody else"),
        (Refusal(412, "ConditionNotMet"), errors.Changed, "somebody else"),
        (Refusal(416, "InvalidRange"), errors.Damaged, "ends before what is wanted"),
        (Refusal(429), errors.Throttled, "fewer requests"),
        (Refusal(503, "ServerBusy"), errors.Throttled, "fewer requests"),
        (Refusal(503), errors.Unreachable, "failed with status 503"),
        (Refusal(500, "InternalError"), errors.Unreachable, "failed with status 500"),
        (Refusal(400, "InvalidHeaderValue"), errors.StoreError, "status 400"),
    ],
)
def test_a_refusal_is_named_with_its_remedy(refusal: Refusal, error: type[errors.StoreError], words: str) -> None:
    explained = explain("az://models/a", refusal)
    assert type(explained) is error
    assert str(explained).startswith("az://models/a: ")
    assert words in str(explained)


def test_what_the_service_repeats_of_a_request_is_not_shown() -> None:
    assert "sig=secret" not in str(explain("az://models/a", Refusal(403, "X", "signature sig=secret did not match")))


def test_a_clock_that_is_off_is_no_matter_while_access_is_given() -> None:
    assert type(explain("az://models/a", Refusal(404, "BlobNotFound", skew=HOUR))) is errors.NotFound
