"""Whom Prometheus scrapes, and what it holds their labels against. Pure but for reading a certificate.

::

    where everybody listens ──► scrape_targets ──► targets.json, which Prometheus reads again whenever it changes
    certificate.json ──► expected_shares ──► tritext_expected_label_share, which drift is measured from

Triton's metrics and the front's do not say which deployment they are of: the scrape does, by a label.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TARGETS_FILE = "targets.json"
EDGE_METRICS_PATH = "/stats/prometheus"


@dataclass(frozen=True, slots=True)
class Scraped:
    """One Triton that Prometheus scrapes.

    Attributes:
        deployment: Whose it is.
        address: ``HOST:PORT`` of its metrics.
        number: Which instance, from 0.
    """

    deployment: str
    address: str
    number: int = 0


def scrape_targets(endpoint: str, tritons: Sequence[Scraped], edge: str, supervisor: str) -> str:
    """Write what Prometheus' ``file_sd_configs`` reads.

    Args:
        endpoint: The endpoint's name.
        tritons: Every instance that runs.
        edge: ``HOST:PORT`` of Envoy's admin interface.
        supervisor: ``HOST:PORT`` of the supervisor's metrics.

    Returns:
        JSON text: a group of targets each, with the labels ``job``, ``endpoint`` and, for Tritons, ``deployment`` and
        ``number``.
    """
    groups = [
        _group(each.address, job="triton", endpoint=endpoint, deployment=each.deployment, number=str(each.number))
        for each in tritons
    ]
    groups.append(_group(edge, job="envoy", endpoint=endpoint, __metrics_path__=EDGE_METRICS_PATH))
    groups.append(_group(supervisor, job="supervisor", endpoint=endpoint))
    return json.dumps(groups, indent=2) + "\n"


def expected_shares(version_directory: Path) -> Mapping[str, float]:
    """Read how often the export gave each label to the certificate's texts.

    Args:
        version_directory: A front's version, which holds ``certificate.json``.

    Returns:
        Shares of 1 by label, a label that was never given with 0; nothing where there is no certificate, or it names
        no labels that texts were given, as that of a regression.
    """
    try:
        certificate = json.loads((version_directory / "certificate.json").read_text(encoding="utf-8"))
        given: Counter[str] = Counter({str(label): 0 for label in certificate["labels"]})
        for cell in certificate["export_confusion"]:
            given[str(cell["given"])] += int(cell["texts"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    texts = given.total()
    return {label: count / texts for label, count in given.items()} if texts > 0 else {}


def _group(address: str, **labels: str) -> dict[str, object]:
    return {"targets": [address], "labels": labels}
