"""The limit: the engine alone in a loop with perfect batches, one thread a core. No server, no tokeniser in the figure.

Each line on standard input is a JSON list of texts; each line on standard output says what they cost and their labels.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import model

# Padded tokens of one batch: nothing is gained past about 400 on these cores.
BUDGET = 384


def cut(lengths, budget):
    """Group the positions of texts, sorted by length, into batches of at most ``budget`` padded tokens."""
    batches = [[]]
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches[-1] and (len(batches[-1]) + 1) * lengths[position] > budget:
            batches.append([])
        batches[-1].append(position)
    return batches


def answer(engines, texts):
    """Run one list of texts and measure the runs alone."""
    lengths = [len(engines[0].encode([text])["input_ids"][0]) for text in texts]
    batches = cut(lengths, BUDGET)
    inputs = [engines[0].encode([texts[i] for i in batch]) for batch in batches]
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(engines)) as pool:
        parts = [
            pool.submit(lambda e, i: [e.run(x) for x in i], e, inputs[n :: len(engines)]) for n, e in enumerate(engines)
        ]
        logits = [part.result() for part in parts]
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - started
    labels = [""] * len(texts)
    for n, batch in enumerate(batches):
        for position, (label, _) in zip(
            batch, engines[0].label(logits[n % len(engines)][n // len(engines)]), strict=True
        ):
            labels[position] = label
    return {"cpu_seconds": cpu, "seconds": seconds, "labels": labels}


def main():
    """Answer line by line until the input ends."""
    engines = [model.load() for _ in range(model.SETTING["workers"])]
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(engines, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
