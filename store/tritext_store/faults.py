"""What a blob service's refusal means: a status, a code and two clocks in, an error with its remedy out. Pure."""

import re
from dataclasses import dataclass

from tritext_store.errors import (
    Changed,
    ClockSkew,
    CredentialExpired,
    Damaged,
    Denied,
    NotFound,
    StoreError,
    Throttled,
    Unreachable,
)

# Azure refuses what is dated more than 15 minutes from its own time.
MOST_SKEW_SECONDS = 900.0
NO_CONTAINER = "there is no such container"
_BUSY = ("ServerBusy", "SlowDown")
# Of a URL in another package's message: a SAS has its signature there.
_QUERY = re.compile(r"\?[^\s'\")]*")
_LATE = ("expired", "lifetime", "not valid in the specified time frame")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success.

    Attributes:
        status: Of HTTP.
        code: The service's own word for it, such as ``BlobNotFound``; "" where it gives none.
        detail: What else it says; is searched, never shown, since it may repeat what was sent.
        skew: Seconds by which this machine's clock is ahead of the service's; None where the answer has no date.
        expiry: Seconds until the credential ends by the service's clock; None where that is not known.
        begins: Seconds until it begins; likewise.
    """

    status: int
    code: str = ""
    detail: str = ""
    skew: float | None = None
    expiry: float | None = None
    begins: float | None = None


def explain(where: object, refusal: Refusal) -> StoreError:
    """Name what went wrong and what to do about it."""
    code = f" ({refusal.code})" if refusal.code else ""
    match refusal.status:
        case 401 | 403:
            return _denied(where, refusal)
        case 404 if refusal.code == "ContainerNotFound":
            error: StoreError = NotFound(
                f"{where}: there is no such container: make it first, or check its name and the account's"
            )
        case 404:
            error = NotFound(f"{where}: there is nothing under this name: check the address")
        case 409 | 412:
            error = Changed(f"{where}: somebody else has written it meanwhile{code}: try again")
        case 416:
            error = Damaged(f"{where}: ends before what is wanted of it{code}: it was cut off, or has changed")
        case 429 | 503 if refusal.status == 429 or refusal.code in _BUSY:
            error = Throttled(f"{where}: the service asks for fewer requests{code}: try again later")
        case status if status >= 500:
            error = Unreachable(f"{where}: the service failed with status {status}{code}: try again later")
        case status:
            error = StoreError(f"{where}: the service refused with status {status}{code}")
    return error


def unreachable(where: object, error: BaseException) -> Unreachable:
    """Say that no answer came, in the words of the first cause: those around it only say that it happened."""
    words, inner = type(error).__name__, error
    while True:
        words = (str(inner).strip().splitlines() or [words])[0]
        cause = inner.__cause__ or inner.__context__ or getattr(inner, "inner_exception", None)
        if cause is None or cause is inner:
            break
        inner = cause
    why = _QUERY.sub("", words)
    return Unreachable(f"{where}: cannot be reached: {why}: check the name, the network and who signed its certificate")


def _denied(where: object, refusal: Refusal) -> Denied:
    code = refusal.code or f"status {refusal.status}"
    if refusal.skew is not None and abs(refusal.skew) > MOST_SKEW_SECONDS:
        direction = "ahead of" if refusal.skew > 0 else "behind"
        return ClockSkew(
            f"{where}: refused ({code}), and this machine's clock is {abs(refusal.skew) / 60:.0f} minutes {direction} "
            "the service's: set the clock"
        )
    if refusal.expiry is not None and refusal.expiry <= 0:
        return CredentialExpired(f"{where}: the SAS ended {-refusal.expiry / 60:.0f} minutes ago: {_RENEW}")
    if refusal.begins is not None and refusal.begins > 0:
        return ClockSkew(
            f"{where}: the SAS begins only in {refusal.begins / 60:.0f} minutes: the clock where it was made is ahead, "
            "or it was made for later: let it begin 15 minutes in the past"
        )
    if any(word in refusal.detail.lower() for word in _LATE):
        return CredentialExpired(f"{where}: the credential is not good at this time ({code}): {_RENEW}")
    return Denied(
        f"{where}: access denied ({code}): the identity needs Storage Blob Data Reader here to read, "
        "Storage Blob Data Contributor to write; or the SAS is of another container or lacks the right"
    )


_RENEW = "put a new SAS into TRITEXT_SAS_FILE, or let a managed identity renew it"
