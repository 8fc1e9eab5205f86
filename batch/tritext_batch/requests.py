"""A block's texts cut into requests. Pure."""

from collections.abc import Sequence

from tritext_batch.rows import Row

# What servers and proxies take in one body, with room to spare: the edge's limit is a mebibyte.
MOST_TEXTS, MOST_BYTES = 32, 512 << 10


def cut(rows: Sequence[Row], most_texts: int = MOST_TEXTS, most_bytes: int = MOST_BYTES) -> list[list[Row]]:
    """Gather the good rows into requests, in order.

    A request has at most ``most_texts`` texts and at most ``most_bytes`` of them, but for a text that is larger, which
    goes alone. Four bytes a character are assumed, the most that UTF-8 has.
    """
    requests: list[list[Row]] = []
    size = most_bytes
    for row in rows:
        if row.text is None:
            continue
        size += 4 * len(row.text)
        if not requests or size > most_bytes or len(requests[-1]) >= most_texts:
            requests.append([])
            size = 4 * len(row.text)
        requests[-1].append(row)
    return requests
