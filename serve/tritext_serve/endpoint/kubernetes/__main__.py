"""``python3 -m tritext_serve.endpoint.kubernetes``: the files on the command line in, the Envoys' files written."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.edge.files import replace
from tritext_serve.endpoint.files import load
from tritext_serve.endpoint.kubernetes.egress import allowed, beyond_the_policy, egress
from tritext_serve.endpoint.kubernetes.fetcher import USUAL_EXTRAS, check_fetchable
from tritext_serve.endpoint.kubernetes.ingress import ingress
from tritext_serve.errors import ServeError

OUTPUT = Path("deploy/k8s/base/envoy")
EPILOG = """\
example:
  python3 -m tritext_serve.endpoint.kubernetes deploy/endpoint/endpoint.yml deploy/endpoint/blue.yml \\
    deploy/endpoint/network.yml --secrets deploy/envoy/rendered/k8s \\
    --model https://filmmodels.blob.core.windows.net/models/sentiment
  kubectl -n tritext create secret generic ingress-routes --from-file=deploy/envoy/rendered/k8s/rds.json
"""


def main(arguments: Sequence[str]) -> int:
    """Write the files; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tritext_serve.endpoint.kubernetes", epilog=EPILOG,
        description="write what the Envoys of deploy/k8s read", formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="endpoint, deployments, network")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER", help=f"default: {OUTPUT}")
    parser.add_argument("--secrets", type=Path, required=True, metavar="FOLDER", help="for what holds the keys")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="default: keys.json in --secrets, made anew")
    parser.add_argument(
        "--model", action="append", default=[], metavar="URI", help="a TRITEXT_REPOSITORY to check: can a pod fetch it?"
    )
    parser.add_argument(
        "--extras",
        default=",".join(USUAL_EXTRAS),
        metavar="NAMES",
        help="the fetcher image's: blob, s3, gs; default: blob",
    )
    parser.add_argument("--namespace", default="tritext", help="default: tritext")
    parser.add_argument("--cluster-domain", default="cluster.local", metavar="NAME", help="default: cluster.local")
    args = parser.parse_args(arguments)
    try:
        _write(args)
    except (ServeError, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 1
    return 0


def _write(args: argparse.Namespace) -> None:
    loaded = load(args.files)
    endpoint, out = loaded.endpoint, egress(loaded.endpoint)
    for uri in args.model:
        check_fetchable(uri, args.extras.split(","), allowed(endpoint))
    args.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = keys.read_or_make(args.keys or args.secrets / "keys.json")
    into = ingress(endpoint, known, f"{args.namespace}.svc.{args.cluster_domain}")
    replace(args.secrets / "rds.json", into.pop("rds.json"))
    replace(args.secrets / "authorization", f"Authorization: Bearer {known['primary']}\n")
    for folder, texts in {"ingress": into, "egress": out}.items():
        (args.output / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            replace(args.output / folder / name, text)
    sys.stdout.write(
        f"written  {args.output}, for {endpoint.name}: {', '.join(endpoint.deployments)}\n"
        f"keys     {args.secrets}, for you alone\n"
    )
    for note in (*loaded.notes, *beyond_the_policy(endpoint)):
        sys.stderr.write(f"{note}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
