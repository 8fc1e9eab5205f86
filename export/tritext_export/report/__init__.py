"""The certificate for people: a certificate and what was tried in, one self-contained HTML page out."""

from tritext_export.report.evidence import CERTIFICATE_FILE, REPORT_FILE, copy_evidence, file_evidence
from tritext_export.report.page import render

__all__ = ["CERTIFICATE_FILE", "REPORT_FILE", "copy_evidence", "file_evidence", "render"]
