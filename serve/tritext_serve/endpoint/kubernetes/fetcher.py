"""What the init container can fetch: a model repository's address and the image's extras in, a refusal out. Pure.

The image has what Azure's storage needs. Amazon's and Google's clients are extras of their own (``s3``, ``gs``), which
an image has if it was built with them.
"""

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from tritext_serve.errors import IsolationError

USUAL_EXTRAS = ("blob",)
EXTRAS = {"https": "blob", "az": "blob", "abfs": "blob", "abfss": "blob", "s3": "s3", "gs": "gs"}
AZURES = ".core.windows.net"
TLS_PORT = 443


def check_fetchable(uri: str, extras: Collection[str], names: Sequence[str]) -> None:
    """Refuse an address from which no pod could start.

    Args:
        uri: The repository, as ``TRITEXT_REPOSITORY`` gives it.
        extras: The image's.
        names: What the egress lets through, as ``name:port``.

    Raises:
        IsolationError: naming the address and the remedy.
    """
    parts = urlsplit(uri)
    extra = EXTRAS.get(parts.scheme.lower())
    if extra is None:
        raise IsolationError(f"{uri}: a pod fetches from storage alone: give https://, az://, s3:// or gs://")
    if extra not in extras:
        wanted = ",".join(sorted({*extras, extra}))
        raise IsolationError(
            f"{uri}: the image cannot fetch {parts.scheme}://: build it with `--build-arg EXTRAS=serve,{wanted}` and "
            f"say --extras {wanted}, or push the model to Azure's storage"
        )
    host = (parts.hostname or "").lower()
    if parts.scheme.lower() != "https":
        return  # which host that is, the environment and the client decide
    if not host.endswith(AZURES):
        raise IsolationError(f"{uri}: {host} is no Azure storage: give https://ACCOUNT.blob{AZURES}/CONTAINER/PATH")
    if not any(_fits(host, name) for name in names):
        raise IsolationError(f"{uri}: no outbound rule lets {host}:{TLS_PORT} through: add one to the network file")


def _fits(host: str, name: str) -> bool:
    allowed, _, port = name.rpartition(":")
    if int(port) != TLS_PORT:
        return False
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
