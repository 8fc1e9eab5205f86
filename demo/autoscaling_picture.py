"""The simulated days drawn: what Kubernetes would do with each autoscaler in, a PNG out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autoscaling import Pod, Second

# Every so many steps is enough for a picture two thousand points wide.
EVERY = 12
COLOURS = ("#9aa0a6", "#c5221f", "#1a73e8", "#188038", "#e37400")


def draw(days: Mapping[str, Sequence[Second]], target: Path) -> None:
    """Draw traffic with pods, and below it the waits, a row for each autoscaler.

    Raises:
        ModuleNotFoundError: matplotlib is missing; the extra ``loadtest`` has it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(len(days), 2, figsize=(12, 1.9 * len(days)), sharex=True, sharey="col", squeeze=False)
    capacity = Pod().cores / Pod().service
    longest = 1000 * Pod().queue * Pod().service / Pod().cores
    for colour, (name, seen), (left, right) in zip(COLOURS, days.items(), rows, strict=False):
        kept = seen[::EVERY]
        hours = [each.at / 3600 for each in kept]
        left.fill_between(hours, [each.rate / 1000 for each in kept], color="#bdc1c6", label="asked")
        could = [each.ready * capacity / 1000 for each in kept]
        left.plot(hours, could, color=colour, linewidth=0.9, label="the pods could serve")
        left.set_title(name, loc="left", fontsize=10)
        left.set_ylabel("1,000 requests/s", fontsize=8)
        left.legend(fontsize=7, loc="upper left", ncols=2)
        right.plot(hours, [1000 * each.wait for each in kept], color=colour, linewidth=0.8)
        right.axhline(longest, color="#5f6368", linewidth=0.8, linestyle=":", label="a full queue: more is refused")
        right.set_ylabel("mean wait, ms", fontsize=8)
        right.legend(fontsize=7, loc="upper left")
    most = max(max(each.rate, each.ready * capacity) for seen in days.values() for each in seen)
    rows[0][0].set_ylim(0, 1.4 * most / 1000)  # the legend's room
    rows[0][1].set_ylim(0, 1.45 * longest)
    for last in rows[-1]:
        last.set_xlabel("hour of the day", fontsize=8)
        last.set_xlim(0, 24)
        last.set_xticks(range(0, 25, 4))
    figure.tight_layout()
    figure.savefig(target, dpi=90, metadata={"Software": None})
    plt.close(figure)
