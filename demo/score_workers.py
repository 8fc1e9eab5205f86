"""What a second Ray worker adds to `tritext score --engine ray`: a job with one and with two in, rates and a ratio out.

::

    python -m demo.score_workers        # some two minutes

The cluster has two nodes on loopback. The server stands in: every request takes a recorded latency, however many run,
so that workers are the limit and not the server. Texts a second count from the server's first request to its last:
Ray's own start, some seconds whatever the job's size, is not in them.
"""

import argparse
import tempfile
from pathlib import Path

from tests.batch.ray_cluster import LATENCY, ray_cluster, score, write_rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=65_536, help="of the job (default: %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, ray_cluster(Path(place)) as cluster:
        folder = Path(place)
        write_rows(folder / "in.jsonl", args.rows)
        found = {workers: score(folder, cluster, workers) for workers in (1, 2)}
    print(f"latency of a request of 32 texts: {LATENCY:g} s; {args.rows} rows")
    for workers, seen in found.items():
        print(f"{workers} worker{'s' * (workers > 1)}: {seen.texts_per_second:6.0f} texts/s ({seen.clients} asked)")
    print(f"ratio {found[2].texts_per_second / found[1].texts_per_second:.2f}")


if __name__ == "__main__":
    main()
