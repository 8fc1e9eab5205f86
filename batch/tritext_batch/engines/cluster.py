"""The job on the workers of a Ray cluster, by Ray Data; imports ray, alone here (`pip install 'tritext[ray]'`).

    driver: spans of the input ──► Ray Data ──► workers: read, score, encode ──► Ray Data ──► driver: append in order

What goes to a worker is where its rows begin; what comes back is bytes of the output. So workers must reach the input
under the same name: a blob, or a file system that all of them mount. Each asks the model with a window of its own and
reads the API key on its own machine: no secret goes through Ray. Ray moves code and values between its own processes
by cloudpickle, so whoever reaches the cluster's ports can run code in it: keep them on a private network, and give the
cluster a token (RAY_AUTH_MODE=token). A cluster that the job starts for itself has one.
"""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from tritext import TritextError
from tritext_batch.asking import Asked, open_scorer
from tritext_batch.encoding import encode_block
from tritext_batch.engines.spans import Span, as_columns, from_columns, spans
from tritext_batch.errors import BatchError, EngineError, first_line
from tritext_batch.formats import Encoder, Reader, open_encoder, open_reader
from tritext_batch.job import Job
from tritext_batch.places import local_path, place
from tritext_batch.rows import Block, Scored
from tritext_batch.scoring import Scorer
from tritext_store.errors import StoreError

try:
    import ray
    import ray.data
    from ray.exceptions import RayError
except ImportError as missing:
    raise EngineError(f"--engine ray: {missing}: run `pip install 'tritext[ray]'`") from missing

# What a cluster of the job's own has less than another, by whether it is one; others may not be told.
_OWN: dict[bool, dict[str, Any]] = {
    True: {"include_dashboard": False, "_node_ip_address": "127.0.0.1"},
    False: {},
}
# Spans of one execution of Ray Data. Where they begin must be found before it starts, so the wave bounds the wait.
WAVE = 256
CONNECT_SECONDS = 10.0
_AWAY = "is `ray start --head` running there, and its token, if it has one, in RAY_AUTH_TOKEN here?"


def score_on_ray(
    job: Job, asked: Asked, blocks: Iterator[Block], start: tuple[int, int], deliver: Callable[[Scored], None]
) -> None:
    """Score the blocks on a cluster.

    Args:
        job: Whose input the workers open.
        asked: The model.
        blocks: What is to be scored; only where each ends is used here.
        start: The position and the row number behind which the first begins.
        deliver: Given each block's share, in order.

    Raises:
        EngineError: the cluster cannot be reached, or lost the work.
        BatchError: what a worker met; what was delivered is whole blocks from the beginning on.
    """
    found = spans(blocks, *start)
    job, asked = _from_anywhere(job, asked)
    with _cluster(job.environment.address):
        workers = job.environment.workers or int(ray.cluster_resources().get("CPU", 1))
        try:
            while wave := list(islice(found, WAVE)):
                for scored in _score(job, asked, wave, min(workers, len(wave))):
                    deliver(scored)
        except RayError as error:
            raise EngineError(f"Ray lost the work: {first_line(error)}: the same command goes on") from error


def _from_anywhere(job: Job, asked: Asked) -> tuple[Job, Asked]:
    """Name files by absolute paths: a worker's working directory is where its node was started."""
    key, ca = (path and path.absolute() for path in (asked.key_file, asked.ca_file))
    if (path := local_path(job.input_uri)) is not None:
        job = replace(job, input_uri=str(path.absolute()))
    return job, replace(asked, key_file=key, ca_file=ca)


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Join a cluster, or start one on this machine; leave it afterwards."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **_OWN[not address])
    except (OSError, RayError, ValueError, RuntimeError) as error:
        where = f"--address {address}" if address else "Ray on this machine"
        raise EngineError(f"{where}: {first_line(error)}: {_AWAY}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own there, which ends the job without a word
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out at once that nobody listens, for which Ray takes minutes; names without a port are Ray's own to find."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


def _score(job: Job, asked: Asked, wave: Sequence[Span], workers: int) -> Iterator[Scored]:
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    items = [{"position": span.position, "number": span.number, "blocks": span.blocks} for span in wave]
    scored = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        Worker,
        batch_size=1,
        batch_format="numpy",
        # One in work and one at hand: more would be the first worker's before the others are up.
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
        fn_constructor_args=(job, asked),
        num_cpus=1,
    )
    for batch in scored.iter_batches(batch_size=None, batch_format="numpy"):
        yield from from_columns(batch)


class Worker:
    """One process of the cluster: spans in, their share of the output out."""

    def __init__(self, job: Job, asked: Asked) -> None:
        self._job, self._asked = job, asked
        self._runner, self._open = asyncio.Runner(), AsyncExitStack()  # as long as the process lives
        self._parts: tuple[Reader, Scorer, Encoder] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Score one span; what went wrong comes back as words, since errors would come with a trace."""
        span = Span(int(batch["position"][0]), int(batch["number"][0]), int(batch["blocks"][0]))
        try:
            return as_columns(self._runner.run(self._score(span)))
        except (BatchError, StoreError, TritextError) as error:
            return as_columns([], f"a worker on {socket.gethostname()}: {error}")

    async def _score(self, span: Span) -> list[Scored]:
        reader, scorer, encoder = self._parts = self._parts or await self._begin()
        blocks = list(islice(reader.blocks(span.position, span.number), span.blocks))
        answers = await asyncio.gather(*map(scorer.score, blocks))
        return [encode_block(encoder, *pair) for pair in zip(blocks, answers, strict=True)]

    async def _begin(self) -> tuple[Reader, Scorer, Encoder]:
        """Open the input as this machine sees it, which may not have it, and connect to the model."""
        job = self._job
        file = self._open.enter_context(place(job.input_uri).open())
        reader = open_reader(job.input_type, file, job.input_uri, job.column, job.limits)
        encoder = open_encoder(job.output_type, reader, job.prefix)
        return reader, await self._open.enter_async_context(open_scorer(self._asked, _unheard)), encoder


def _unheard(words: str) -> None:
    """A worker has nobody to tell what it waits for."""
