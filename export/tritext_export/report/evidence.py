"""Where a certificate and its report are put: both into one folder, whatever the verdict, each whole or not at all."""

import errno
import json
from collections.abc import Sequence
from pathlib import Path

from tritext_export.certificate import Certificate
from tritext_export.disk import write_atomically
from tritext_export.errors import CertificateError
from tritext_export.report.page import render
from tritext_export.trial import Trial

CERTIFICATE_FILE = "certificate.json"
REPORT_FILE = "report.html"


def file_evidence(directory: Path, certificate: Certificate, trials: Sequence[Trial]) -> None:
    """Write ``certificate.json`` and ``report.html``.

    Raises:
        CertificateError: the folder cannot be written; the verdict is told all the same.
    """
    # Half a pair of surrogates cannot be written as UTF-8; escaped it is good JSON.
    content = json.dumps(certificate.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / CERTIFICATE_FILE, f"{content}\n".encode(errors="backslashreplace"))
        write_atomically(directory / REPORT_FILE, render(certificate, trials))
    except OSError as error:
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another folder"
        raise CertificateError(
            f"{certificate.line}; {directory}: {error.strerror or error}: the evidence could not be written there, "
            f"so nothing was published: {remedy}"
        ) from error


def copy_evidence(version: Path, directory: Path) -> None:
    """Copy the evidence of a published version.

    Raises:
        CertificateError: the version has none, or the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in (CERTIFICATE_FILE, REPORT_FILE):
            write_atomically(directory / name, (version / name).read_bytes())
    except OSError as error:
        raise CertificateError(
            f"{error.filename or directory}: {error.strerror or error}: the evidence could not be copied: "
            "choose another folder, or export again with --force"
        ) from error
