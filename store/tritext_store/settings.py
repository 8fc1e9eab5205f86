"""The only reader of ``os.environ`` in this package."""

import os
from dataclasses import dataclass, field

RETRIES = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says of storage.

    Attributes:
        account: Name of the Azure account that ``az://`` means.
        endpoint: URL of its blob service, where that is not ``https://ACCOUNT.blob.core.windows.net``.
        sas: A shared access signature.
        sas_file: A file that holds one; read again when it has changed.
        trusted: A file with the authorities to trust; "" for the system's.
        retries: How often a request that failed in passing is sent again.
    """

    account: str = ""
    endpoint: str = ""
    sas: str = field(default="", repr=False)
    sas_file: str = ""
    trusted: str = ""
    retries: int = RETRIES


def read_settings() -> Settings:
    """Read them; credentials beyond a SAS are azure-identity's own to find."""
    return Settings(
        account=os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "") or os.environ.get("AZURE_STORAGE_ACCOUNT", ""),
        endpoint=os.environ.get("TRITEXT_BLOB_ENDPOINT", "").rstrip("/"),
        sas=os.environ.get("AZURE_STORAGE_SAS_TOKEN", "").lstrip("?"),
        sas_file=os.environ.get("TRITEXT_SAS_FILE", ""),
        trusted=os.environ.get("SSL_CERT_FILE", ""),
        retries=_whole(os.environ.get("TRITEXT_BLOB_RETRIES", "")),
    )


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else RETRIES
