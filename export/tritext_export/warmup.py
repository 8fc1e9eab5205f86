"""Warm-up requests: which shapes a classifier runs before it is called ready. Facts in, Triton's messages and data out.

The first run of a shape is the slow one: memory is found, kernels are chosen, a TensorRT provider builds an engine. The
shapes are those that the front's planner sends: one text, or as many as its token budget holds. Ids are nought, which
every vocabulary has; masks are ones and come from files, because a text whose every token is masked is one that no
request holds and that a graph without padding could not run.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from tritonclient.grpc import model_config_pb2 as pb

FOLDER = "warmup"
MASK = "attention_mask"
BUCKETS = (8, 16, 32, 64, 128, 256, 512)
# On two busy cores seven full shapes kept the demo model in fp32 from starting for 2.4 s, these three for 0.7 s.
CPU_LENGTHS = (16, 64)
# A model that reads 8,192 tokens would warm up for minutes on a CPU.
LONGEST = 512


class Shape(NamedTuple):
    """One run of the classifier.

    Attributes:
        texts: Rows.
        tokens: Columns.
    """

    texts: int
    tokens: int


def few_shapes(max_length: int, max_texts: int, max_tokens: int) -> tuple[Shape, ...]:
    """Choose a short, a middling and the longest shape, each as full as the planner makes it."""
    longest = min(max_length, LONGEST)
    lengths = sorted({length for length in CPU_LENGTHS if length < longest} | {longest})
    return tuple(Shape(fullest(length, max_texts, max_tokens), length) for length in lengths)


def all_shapes(max_length: int, max_texts: int, max_tokens: int) -> tuple[Shape, ...]:
    """Choose every length bucket, once with a single text and once full."""
    longest = min(max_length, LONGEST)
    lengths = sorted({length for length in BUCKETS if length < longest} | {longest})
    pairs = ({1, fullest(length, max_texts, max_tokens)} for length in lengths)
    return tuple(Shape(t, length) for length, texts in zip(lengths, pairs, strict=True) for t in sorted(texts))


def fullest(tokens: int, max_texts: int, max_tokens: int) -> int:
    """Count the texts of one length that the planner sends together."""
    return max(1, min(max_texts, max_tokens // tokens))


def request(shape: Shape, inputs: Iterable[str]) -> pb.ModelWarmup:
    """Describe one warm-up request; Triton repeats its one row ``shape.texts`` times."""
    warmup = pb.ModelWarmup(name=f"{shape.texts}x{shape.tokens}", batch_size=shape.texts, count=1)
    for name in inputs:
        row = warmup.inputs[name]
        row.data_type = pb.TYPE_INT64
        row.dims.append(shape.tokens)
        if name == MASK:
            row.input_data_file = mask_file(shape.tokens)
        else:
            row.zero_data = True
    return warmup


def mask_file(tokens: int) -> str:
    """Name the file with a mask of ones."""
    return f"ones_{tokens}"


def mask_bytes(tokens: int) -> bytes:
    """Write a mask of ones as Triton reads it: INT64 [tokens], little-endian."""
    return struct.pack(f"<{tokens}q", *[1] * tokens)
