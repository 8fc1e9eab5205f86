"""A batch of texts through tokenizer, planner, classifier and activation; what fails, fails for its own texts only.

::

    texts ──► distinct texts ──► rows of ids ──► sub-batches ──► logits ──► answers ──► each text its own
              (deduplicate)      (long texts)    (planner)       (run)      (pooled)
"""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import not_
from typing import Literal, NamedTuple

import numpy as np

from tritext_serve.front.answers import Answers, FloatArray
from tritext_serve.front.classifiers import ClassifierError, Classifiers, Logits
from tritext_serve.front.long_texts import LongTexts, Rows, pool, take
from tritext_serve.front.options import Options
from tritext_serve.front.planner import IndexArray, padding, plan
from tritext_serve.front.sameness import Sharing, share
from tritext_serve.front.texts import TextInput
from tritext_serve.front.tokens import TextTokenizer

StillWanted = Callable[[IndexArray], bool]
# Estimated work after which it is worth looking whether the rest is still wanted; one batch of short texts takes less.
ROUND_MICROSECONDS = 100_000


class Failure(NamedTuple):
    """Why a text has no answer.

    Attributes:
        kind: The engine failed, the text was refused, or nobody waited for it any more.
        message: What to say.
    """

    kind: Literal["failed", "refused", "dropped"]
    message: str


DROPPED = Failure("dropped", "nobody waits for this text any more")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch of texts.

    Attributes:
        answers: One row a text; rows in ``failures`` mean nothing.
        failures: Why there is no answer, by row.
        padding: Padding tokens that the classifier's dense layers computed; a packed graph's compute none.
    """

    answers: Answers
    failures: Mapping[int, Failure] = field(default_factory=dict)
    padding: int = 0

    def followed_by(self, answers: Answers) -> "Outcome":
        """Put more answers behind these."""
        return Outcome(self.answers.followed_by(answers), self.failures, self.padding)

    def spread(self, origins: IndexArray) -> "Outcome":
        """Give text i what became of row ``origins[i]``."""
        places = origins.tolist() if self.failures else ()
        failures = {text: self.failures[row] for text, row in enumerate(places) if row in self.failures}
        return Outcome(self.answers.spread(origins), failures, self.padding)


@dataclass(frozen=True, slots=True)
class Latest:
    """The batch before.

    Attributes:
        rows: Where the answer to each of its texts stands, by what ``share`` knows texts by.
        answers: Its answers.
    """

    rows: Mapping[Hashable, int] = field(default_factory=dict)
    answers: Answers | None = None


class Pipeline:
    """One version of a classifier, ready to answer texts."""

    def __init__(self, options: Options, tokenizer: TextTokenizer, classifiers: Classifiers) -> None:
        """Keep the parts.

        Args:
            options: What the repository says of this version.
            tokenizer: Its tokenizer.
            classifiers: What runs sub-batches: arrays in the order of ``options.inputs`` to logits.
        """
        self._options = options
        self._tokenizer = tokenizer
        self._classifiers = classifiers
        self._latest = Latest()

    def classify(
        self,
        texts: Sequence[TextInput],
        ways: Sequence[LongTexts] = (),
        still_wanted: StillWanted | None = None,
        overlapping: Sequence[bool] = (),
        sizes: Sequence[int] = (),
    ) -> Outcome:
        """Answer every text or pair, all of one kind; empty input gives an empty outcome.

        Args:
            texts: Single texts, or pairs.
            ways: How each is taken if it is long; none where all are as the version's configuration says.
            still_wanted: Asked whether anybody waits for one of these texts, before each round of sub-batches is run.
            overlapping: Which texts came while the latest batch was computed, and so may take its answers; none where
                none did.
            sizes: Texts of each request, in their order, by which its windows are bounded; none where nothing bounds.
        """
        options = self._options
        if not ways and options.long_texts.mode != "truncate":
            ways = [options.long_texts] * len(texts)
        if not options.deduplicate:
            return self._answer(texts, ways, still_wanted, apart(sizes, range(len(texts))) if ways else ())
        keys: Sequence[Hashable] = list(zip(texts, ways, strict=True)) if ways else texts
        sharing = share(keys, self._latest.rows, overlapping)
        if sharing is None:
            outcome = self._answer(texts, ways, still_wanted, apart(sizes, range(len(texts))) if ways else ())
        else:
            outcome = self._answer_once(texts, ways, still_wanted, sharing, sizes)
        self._latest = Latest(
            {key: row for row, key in enumerate(keys) if row not in outcome.failures}, outcome.answers
        )
        return outcome

    def _answer_once(
        self,
        texts: Sequence[TextInput],
        ways: Sequence[LongTexts],
        still_wanted: StillWanted | None,
        sharing: Sharing,
        sizes: Sequence[int],
    ) -> Outcome:
        """Answer each text with the answer of the first that is the same, in this batch or in the latest."""

        def wanted(rows: IndexArray) -> bool:
            return still_wanted is None or still_wanted(np.flatnonzero(np.isin(sharing.origins, rows)))

        outcome = self._answer(
            [texts[text] for text in sharing.fresh],
            [ways[text] for text in sharing.fresh] if ways else (),
            still_wanted and wanted,
            apart(sizes, sharing.origins.tolist()) if ways else (),
        )
        latest = self._latest.answers
        return (outcome if latest is None else outcome.followed_by(latest)).spread(sharing.origins)

    def _answer(
        self,
        texts: Sequence[TextInput],
        ways: Sequence[LongTexts],
        still_wanted: StillWanted | None,
        requests: Sequence[Collection[int]],
    ) -> Outcome:
        """Answer texts that are all distinct."""
        options = self._options
        tokens = self._tokenizer.encode(texts)
        rows = take(tokens, ways, options.limits, requests) if ways and tokens.whole else Rows(tokens)
        batches = self._plan(rows)
        logits: FloatArray = np.zeros((len(rows.tokens.ids), len(options.labels)), np.float32)
        failures = {text: Failure("refused", why) for text, why in rows.refused.items()}
        for batch, result in self._run(rows, batches, still_wanted):
            if isinstance(result, Failure):
                failures |= dict.fromkeys(rows.texts(batch).tolist(), result)
            else:
                logits[batch] = result
        pool(logits, rows, ways)
        answers = Answers(logits[: len(texts)], options.activation, rows.token_counts, rows.truncated)
        padded = 0 if options.costs.packed else padding(rows.tokens.lengths, batches)
        return Outcome(answers, failures, padded)

    def _plan(self, rows: Rows) -> list[IndexArray]:
        """Cut the rows into sub-batches, those of refused texts left out."""
        options, lengths = self._options, rows.tokens.lengths
        kept = None
        if rows.refused:
            kept = np.array([row for row in range(len(lengths)) if row not in rows.refused], np.intp)
            lengths = [lengths[row] for row in kept]
        batches = plan(
            lengths, options.max_batch_tokens, options.max_batch_texts, options.costs, self._classifiers.lanes
        )
        return batches if kept is None else [kept[batch] for batch in batches]

    def _run(
        self, rows: Rows, batches: Sequence[IndexArray], still_wanted: StillWanted | None
    ) -> Iterator[tuple[IndexArray, FloatArray | Failure]]:
        """Run the sub-batches, those left out for which nobody waits."""
        if still_wanted is None:
            yield from self._run_together(rows, batches)
            return
        for group in self._rounds(rows, batches):
            wanted = [still_wanted(rows.texts(batch)) for batch in group]
            yield from ((batch, DROPPED) for batch in compress(group, map(not_, wanted)))
            yield from self._run_together(rows, list(compress(group, wanted)))

    def _run_together(
        self, rows: Rows, batches: Sequence[IndexArray]
    ) -> Iterator[tuple[IndexArray, FloatArray | Failure]]:
        inputs = [self._tokenizer.arrays(rows.tokens, batch, self._options.inputs) for batch in batches]
        for batch, logits in zip(batches, self._classifiers.run(inputs), strict=True):
            yield batch, self._checked(logits, len(batch))

    def _rounds(self, rows: Rows, batches: Sequence[IndexArray]) -> Iterator[Sequence[IndexArray]]:
        """Cut a long run into rounds, each of as many sub-batches as take some time together."""
        start, cost = 0, 0.0
        for end, batch in enumerate(batches, 1):
            cost += self._options.costs.of([rows.tokens.lengths[row] for row in batch])
            if end == len(batches) or cost >= ROUND_MICROSECONDS * self._classifiers.lanes:
                yield batches[start:end]
                start, cost = end, 0.0

    def _checked(self, logits: Logits, texts: int) -> FloatArray | Failure:
        """Tell logits from an error, and from what is neither."""
        if isinstance(logits, ClassifierError):
            return Failure("failed", str(logits))
        expected = (texts, len(self._options.labels))
        if logits.shape != expected:
            return Failure("failed", f"the classifier gave logits of shape {logits.shape}, not {expected}")
        return logits


def apart(sizes: Sequence[int], places: Sequence[int]) -> list[set[int]]:
    """Give each request the places of its texts, each place once.

    Example:
        >>> apart([2, 1], [7, 7, 3])
        [{7}, {3}]
    """
    left = iter(places)
    return [set(islice(left, size)) for size in sizes]
