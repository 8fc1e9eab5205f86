"""Where a certificate and its report are put: both into one folder, whatever the verdict."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tritext_export.certificate import Certificate
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
        (directory / CERTIFICATE_FILE).write_text(content + "\n", encoding="utf-8", errors="backslashreplace")
        (directory / REPORT_FILE).write_text(render(certificate, trials), encoding="utf-8")
    except OSError as error:
        raise CertificateError(
            f"{certificate.line}; {directory}: {error.strerror or error}: the evidence could not be written there, "
            "so nothing was published: choose another folder"
        ) from error


def copy_evidence(version: Path, directory: Path) -> None:
    """Copy the evidence of a published version.

    Raises:
        CertificateError: the version has none, or the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in (CERTIFICATE_FILE, REPORT_FILE):
            shutil.copyfile(version / name, directory / name)
    except OSError as error:
        raise CertificateError(
            f"{error.filename or directory}: {error.strerror or error}: the evidence could not be copied: "
            "choose another folder, or export again with --force"
        ) from error
