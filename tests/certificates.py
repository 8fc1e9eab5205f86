"""A certification authority of a test's own, and a server's certificate from it: openssl makes both, for one day."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.blob.core.windows.net"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files.

    Attributes:
        ca: What a client must trust.
        certificate: What a server on loopback shows.
        key: The server's private key.
    """

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and one certificate for 127.0.0.1, signed by it."""
    ca, ca_key, request = (folder / name for name in ("ca.pem", "ca-key.pem", "request.pem"))
    made = Certificates(ca, folder / "certificate.pem", folder / "key.pem")
    names = folder / "names.txt"
    names.write_text(NAMES, encoding="utf-8")
    keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
    _openssl("req", "-x509", *keys, "-days", "1", "-subj", "/CN=test authority", *authority,
             "-keyout", ca_key, "-out", ca)  # fmt: skip
    _openssl("req", *keys, "-subj", "/CN=127.0.0.1", "-keyout", made.key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "1",
             "-extfile", names, "-out", made.certificate)  # fmt: skip
    return made


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)
