"""What a client decides, step by step, against a fake server and a fake clock: no threads and no waiting."""

import contextlib
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.fake_clock import FakeClock
from tests.client.fake_transport import FakeTransport, label
from tritext._conversation import Alone, Conversation, Flow, Pause, Probe, Send, Step, Together
from tritext._errors import (
    BatchTooLarge,
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    QueueFull,
    TritextError,
    Unavailable,
)
from tritext._settings import Endpoint, Settings


class Talk:
    """Performs the steps one after the other, and moves the clock by what each takes."""

    def __init__(self, server: FakeTransport, seconds_a_call: float = 0.0, **settings: Any) -> None:
        self.server = server
        self.clock = FakeClock()
        self.seconds_a_call = seconds_a_call
        self.conversation = Conversation(
            Settings(Endpoint("grpc", "h:1"), "sentiment", **settings), now=self.clock, chance=lambda: 0.5
        )

    def classify(self, texts: Iterable[str], timeout: float = 5.0, scores: bool = False) -> list[str]:
        found = self.run(self.conversation.classify(tuple(texts), timeout, scores))
        return [prediction.label for prediction in found]

    def run(self, flow: Flow[Any]) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    result = self.perform(step)
                except TritextError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as stop:
            return stop.value

    def perform(self, step: Step) -> Any:
        match step:
            case Send():
                self.clock.now += self.seconds_a_call
                return self.server.infer(step.call)
            case Probe():
                self.clock.now += self.seconds_a_call
                return self.server.ready(step.model, step.version, step.timeout)
            case Pause():
                return self.clock.sleep(step.seconds)
            case Together():
                return [self.run(flow) for flow in step.flows]
            case Alone():
                return self.run(step.flow)


class TestChunks:
    @given(
        st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=60),
        st.integers(1, 40),
        st.integers(1, 40),
    )
    def test_answers_belong_to_their_texts_whatever_the_limits(self, texts: list[str], own: int, servers: int) -> None:
        talk = Talk(FakeTransport(limit=servers), max_batch_size=own)
        assert talk.classify(texts) == [label(text) for text in texts]

    def test_no_texts_need_no_request(self) -> None:
        talk = Talk(FakeTransport())
        assert talk.classify([]) == []
        assert talk.server.calls == []

    def test_lists_are_cut_at_max_batch_size(self) -> None:
        talk = Talk(FakeTransport(), max_batch_size=4)
        talk.classify("abcdefghij")
        assert talk.server.batches == [4, 4, 2]

    def test_the_servers_limit_is_learnt_once(self) -> None:
        talk = Talk(FakeTransport(limit=3), max_batch_size=8)
        talk.classify("abcdefgh")
        assert talk.server.batches == [8, 3, 3, 2]
        talk.server.calls.clear()
        talk.classify("abcdefgh")
        assert talk.server.batches == [3, 3, 2]

    def test_chunks_that_were_planned_before_it_was_learnt_are_cut_unsent(self) -> None:
        talk = Talk(FakeTransport(limit=2), max_batch_size=4)
        talk.classify("abcdefgh")
        assert talk.server.batches == [4, 2, 2, 2, 2]

    @pytest.mark.parametrize("limit", [0, 4, 9])
    def test_a_limit_that_makes_no_sense_is_reported(self, limit: int) -> None:
        talk = Talk(FakeTransport(errors=[BatchTooLarge("too many", limit)]))
        with pytest.raises(BatchTooLarge, match="too many"):
            talk.classify("abcd")
        assert talk.server.batches == [4]


class TestLabels:
    def test_they_are_asked_for_once_with_a_text_that_was_answered(self) -> None:
        talk = Talk(FakeTransport())
        talk.classify(["one", "two"])
        talk.classify(["three"])
        (call,) = talk.server.label_calls
        assert (call.texts, call.outputs, call.class_count, call.version) == (("one",), ("scores",), 1_000_000, "")

    def test_each_version_has_its_own(self) -> None:
        talk = Talk(FakeTransport(version="1"))
        assert talk.classify(["four"]) == ["so: so"]
        talk.server.version, talk.server.labels = "2", ("a", "b", "c")
        assert talk.classify(["four"]) == ["b"]
        assert len(talk.server.label_calls) == 2

    def test_a_version_that_is_being_replaced_is_asked_by_its_number(self) -> None:
        talk = Talk(FakeTransport(version="1"))
        flow = talk.conversation.classify(("four",), 5.0, False)
        answer = talk.perform(next(flow))
        step = flow.send(answer)
        talk.server.version = "2"  # between the answer and the question for its names
        talk.perform(step)
        assert [call.version for call in talk.server.label_calls] == ["", "1"]

    def test_a_server_that_answers_with_a_third_version(self) -> None:
        class Fickle(FakeTransport):
            def answer(self, call: Any) -> Any:
                self.version = str(int(self.version) + 1)
                return super().answer(type(call)(call.model, "", call.texts, call.outputs, 1.0, call.class_count))

        with pytest.raises(InferenceFailed, match="asked version 2 for its labels"):
            Talk(Fickle()).classify(["a"])

    def test_a_model_without_names_is_reported_with_the_place(self) -> None:
        with pytest.raises(InferenceFailed, match=r"grpc://h:1 model 'sentiment'.*label_filename"):
            Talk(FakeTransport(labels=("", "", ""))).classify(["a"])

    def test_the_clients_own_version_is_asked(self) -> None:
        talk = Talk(FakeTransport(), version="9")
        talk.classify(["a"])
        assert {call.version for call in talk.server.calls} == {"9"}


class TestOutputs:
    def test_only_numbers_are_asked_for(self) -> None:
        talk = Talk(FakeTransport())
        talk.classify(["a"])
        assert talk.server.calls[0].outputs == ("label_id", "score", "tokens", "truncated")

    def test_scores_are_asked_for_on_demand(self) -> None:
        talk = Talk(FakeTransport())
        talk.classify(["a"], scores=True)
        assert talk.server.calls[0].outputs == ("label_id", "score", "tokens", "truncated", "scores")


class TestRetries:
    def test_a_full_queue_and_a_closed_port_are_tried_again(self) -> None:
        talk = Talk(FakeTransport(errors=[QueueFull("full"), Unavailable("down")]))
        assert talk.classify(["four"]) == ["so: so"]
        assert talk.clock.slept == pytest.approx([0.1, 0.2])  # half of 0.2 and 0.4

    def test_a_wrong_input_is_not(self) -> None:
        talk = Talk(FakeTransport(errors=[InvalidInput("no")]))
        with pytest.raises(InvalidInput):
            talk.classify(["a"])
        assert len(talk.server.calls) == 1

    def test_the_last_error_is_the_one_that_is_raised(self) -> None:
        talk = Talk(FakeTransport(errors=[QueueFull("one"), QueueFull("two"), Unavailable("three")]), retries=2)
        with pytest.raises(Unavailable, match="three"):
            talk.classify(["a"])

    def test_the_question_for_label_names_is_tried_again_too(self) -> None:
        server = FakeTransport()
        talk = Talk(server)
        flow = talk.conversation.classify(("four",), 5.0, False)
        step = flow.send(talk.perform(next(flow)))
        server._errors = [QueueFull("full")]
        talk.perform(step)
        assert len(server.label_calls) == 2


class TestDeadline:
    @given(
        st.floats(0.01, 20),
        st.floats(0, 3),
        st.lists(st.sampled_from(["full", "down"]), max_size=30),
        st.integers(0, 30),
        st.integers(1, 9),
    )
    def test_nothing_is_sent_or_waited_for_after_it(
        self, timeout: float, seconds_a_call: float, failures: list[str], retries: int, texts: int
    ) -> None:
        errors = [QueueFull("full") if failure == "full" else Unavailable("down") for failure in failures]
        talk = Talk(FakeTransport(errors=errors), seconds_a_call, retries=retries, max_batch_size=2)
        begun = talk.clock.now
        with contextlib.suppress(QueueFull, Unavailable, DeadlineExceeded):
            talk.classify("abcdefghi"[:texts], timeout)
        # The last call may have been on its way as the time ran out; its own timeout is what ends it.
        assert talk.clock.now - begun <= timeout + seconds_a_call + 1e-6
        assert all(0 < call.timeout <= timeout + 1e-6 for call in talk.server.calls)

    def test_each_call_is_given_what_is_left(self) -> None:
        talk = Talk(FakeTransport(), seconds_a_call=1.0, max_batch_size=1)
        talk.classify("ab", timeout=5.0)
        assert [call.timeout for call in talk.server.calls] == pytest.approx([5.0, 4.0, 3.0])

    def test_it_covers_all_chunks(self) -> None:
        talk = Talk(FakeTransport(), seconds_a_call=1.0, max_batch_size=1)
        with pytest.raises(DeadlineExceeded, match="model 'sentiment'"):
            talk.classify("abcdefgh", timeout=3.0)
        assert len(talk.server.calls) == 3


class TestReady:
    def test_ready(self) -> None:
        talk = Talk(FakeTransport())
        assert talk.run(talk.conversation.ready(1.0)) is True
        talk.server.is_ready = False
        assert talk.run(talk.conversation.ready(1.0)) is False

    @pytest.mark.parametrize("error", [Unavailable("down"), DeadlineExceeded("late")])
    def test_what_cannot_be_reached_is_not_ready(self, error: TritextError) -> None:
        talk = Talk(FakeTransport(errors=[error]))
        assert talk.run(talk.conversation.ready(1.0)) is False

    def test_other_errors_are_raised(self) -> None:
        talk = Talk(FakeTransport(errors=[InferenceFailed("no such method")]))
        with pytest.raises(InferenceFailed):
            talk.run(talk.conversation.ready(1.0))

    def test_waiting(self) -> None:
        talk = Talk(FakeTransport(errors=[Unavailable("down")] * 5))
        talk.run(talk.conversation.wait_until_ready(10.0))
        assert talk.clock.slept == pytest.approx([0.1] * 5)

    def test_waiting_in_vain(self) -> None:
        talk = Talk(FakeTransport(), seconds_a_call=0.4)
        talk.server.is_ready = False
        begun = talk.clock.now
        with pytest.raises(DeadlineExceeded, match="not ready within 3 s"):
            talk.run(talk.conversation.wait_until_ready(3.0))
        assert 2.4 <= talk.clock.now - begun <= 3.4
