"""What a person is told of Triton's log; the lines are Triton 2.51's own."""

from tritext_serve.log import reasons

LOG = """\
I1121 21:48:41.460468 27408 pb_stub.cc:366]  Failed to initialize Python stub: ModuleNotFoundError
E1121 21:48:41.131853 27067 server.cc:241] "CudaDriverHelper has not been initialized."
| sentiment | 1       | UNAVAILABLE: Internal: OptionsError: manifest.json: 'labels' is missing |
| sentiment_classifier | 1       | READY  |
"""


def test_the_model_table_wins_over_error_lines() -> None:
    assert reasons(LOG.splitlines()) == [
        "sentiment version 1: Internal: OptionsError: manifest.json: 'labels' is missing"
    ]


def test_error_lines_stand_in_once_each() -> None:
    lines = [line for line in LOG.splitlines() if line.startswith("E")] * 2
    assert reasons(lines) == ["CudaDriverHelper has not been initialized."]


def test_a_quiet_log_has_no_reasons() -> None:
    assert reasons(["I1121 all is well"]) == []
