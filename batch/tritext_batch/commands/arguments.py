"""The words behind ``tritext score``: what may be given, and the job that they describe."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from tritext_batch.errors import JobFileError
from tritext_batch.formats import GOES_OUT_AS, KINDS
from tritext_batch.formats.grouping import Limits
from tritext_batch.job import ENDPOINT, LOCAL, RAY, REPOSITORY, Environment, Job, Model, check, infer_type
from tritext_batch.job_file import read_job_file
from tritext_batch.places import same_place
from tritext_batch.settings import endpoint_url

EPILOG = """\
formats: by suffix, or --input-type and --output-type. Text (a line a text) goes out as .tsv, .csv or .jsonl; CSV and
TSV too; JSONL and Parquet as they are. A bad row goes to OUTPUT.rejected.jsonl with its number and the reason.
places: paths, and az:// s3:// gs:// file:// or https://ACCOUNT.blob.core.windows.net/… with the extra [blob].
model: a server that runs (--url, or TRITEXT_URL), or a repository that the job serves itself while it runs: a folder,
or where `tritext repository push` has put one. The key comes from --key FILE or TRITEXT_API_KEY.

After a kill, an outage or Ctrl-C the same command goes on where it stopped: what is done lies in OUTPUT.partial.
Exit codes: 0 done, 1 refused or stopped, 2 wrong words or a wrong job file, 130 Ctrl-C or SIGTERM.

examples:
  tritext score reviews.txt labelled.tsv
  tritext score reviews.parquet labelled.parquet --column review --url grpc://127.0.0.1:8001
  tritext score --job job.yml --summary summary.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.add_argument("input", nargs="?", metavar="INPUT", help="file or URI of the texts")
    parser.add_argument("output", nargs="?", metavar="OUTPUT", help="file or URI to write")
    parser.add_argument("--job", type=Path, metavar="FILE", help="YAML file that says all this (docs/score.md)")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output, and another job's unfinished work"
    )
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write the summary there as JSON too")
    _configure_data(parser.add_argument_group("data"))
    _configure_model(parser.add_argument_group("model"))
    _configure_work(parser.add_argument_group("work"))


def _configure_data(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--column", metavar="NAME", help="column, or key, of the text (default: text)")
    group.add_argument("--prefix", metavar="WORD", help="begin the new columns' names so, as in predicted_label")
    group.add_argument("--input-type", choices=KINDS, help="default: by the suffix")
    group.add_argument("--output-type", choices=KINDS[1:], help="default: by the suffix")
    group.add_argument("--max-row-bytes", type=_whole, metavar="N", help="reject longer rows (default: 8388608)")


def _configure_model(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--model", metavar="NAME", help="default: sentiment")
    group.add_argument("--model-version", metavar="N", help="ask this version of the model")
    group.add_argument(
        "--mixed-versions", action="store_true", help="let several versions' answers stand in one output"
    )
    source = group.add_mutually_exclusive_group()
    source.add_argument("--url", help="of a server that runs: grpc://HOST:PORT or http://HOST:PORT, grpcs or https")
    source.add_argument(
        "--repository", metavar="DIR|URI", help="serve this while the job runs (default: model_repository)"
    )
    group.add_argument("--key", type=Path, metavar="FILE", help="file of the API key (default: TRITEXT_API_KEY)")
    group.add_argument("--ca-file", type=Path, metavar="PEM", help="trust the certificates in this file")


def _configure_work(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--engine", choices=(LOCAL, RAY), help="this process, or workers of a Ray cluster (default: local)"
    )
    group.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: one on this machine)")
    group.add_argument("--workers", type=_whole, metavar="N", help="Ray workers (default: one a CPU of the cluster)")
    group.add_argument("--max-in-flight", type=_whole, metavar="N", help="most requests at once (default: 32)")
    group.add_argument(
        "--patience", type=_seconds, metavar="S", help="seconds to wait for a server away or full (default: 300)"
    )
    group.add_argument("--work", type=Path, metavar="DIR", help="keep unfinished work there (default: OUTPUT.partial)")


def job_of(args: argparse.Namespace) -> Job:
    """Give the job that the words describe; beside a job file, words overrule where and how it runs, not what it is.

    Raises:
        JobFileError: they describe none.
    """
    job = _described(args)
    if args.summary and (
        uri := next((u for u in (job.input_uri, job.output_uri) if same_place(str(args.summary), u)), "")
    ):
        raise JobFileError(
            f"the summary is the {'input' if uri == job.input_uri else 'output'}: {uri}: name another file"
        )
    return job


def _described(args: argparse.Namespace) -> Job:
    if args.job is None:
        return check(_from_words(args))
    if given := [name for name in ("input", "output", *_DATA, *_MODEL) if getattr(args, name)]:
        raise JobFileError(f"{given[0]} stands beside --job, which says it: change the file, or leave --job out")
    job = read_job_file(args.job)
    return check(replace(job, environment=replace(job.environment, **_given(args, _ENVIRONMENT))))


_DATA = {
    "column": "column",
    "prefix": "prefix",
    "input_type": "input_type",
    "output_type": "output_type",
    "max_row_bytes": "row_bytes",
    "mixed_versions": "mixed_versions",
}
_MODEL = {"model": "name", "model_version": "version", "url": "url", "repository": "repository"}
_ENVIRONMENT = {name: name for name in ("engine", "address", "workers", "ca_file", "max_in_flight", "patience", "work")}
_ENVIRONMENT["key"] = "key_file"


def _from_words(args: argparse.Namespace) -> Job:
    if args.input is None or args.output is None:
        raise JobFileError("INPUT and OUTPUT are missing: tritext score reviews.txt labelled.tsv, or --job FILE")
    url = args.url or ("" if args.repository else endpoint_url())
    source = {"source_type": ENDPOINT, "source_uri": url} if url else {"source_type": REPOSITORY}
    if not url and args.repository:
        source["source_uri"] = args.repository
    input_type = infer_type(args.input_type, args.input, "input")
    named = _given(args, {"model": "name", "model_version": "version"})
    return Job(
        args.input,
        args.output,
        input_type,
        infer_type(args.output_type, args.output, "output", GOES_OUT_AS[input_type]),
        **_given(args, {name: name for name in ("column", "prefix", "mixed_versions")}),
        model=Model(**named, **source),
        environment=Environment(**_given(args, _ENVIRONMENT)),
        limits=Limits(**_given(args, {"max_row_bytes": "row_bytes"})),
    )


def _given(args: argparse.Namespace, names: dict[str, str]) -> dict[str, Any]:
    """Give what the words say, under the names of our values; what they leave open is not in it."""
    return {ours: getattr(args, theirs) for theirs, ours in names.items() if getattr(args, theirs) is not None}


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
