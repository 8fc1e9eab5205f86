"""A collector's address becomes Triton's arguments, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.errors import TracingError
from tritext_serve.tracing import OFF, Tracing, trace_flags


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector", "http://collector:4318/v1/traces"),
        ("http://collector:80/otel/v1/traces", "http://collector:80/otel/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_a_collector_may_be_named_in_short(url: str, sent_to: str) -> None:
    assert Tracing.to(url).url == sent_to


@pytest.mark.parametrize(
    "url",
    [
        "",
        "collector:4318",
        "https://collector:4318",  # Triton's exporter would need certificates that nobody gave it
        "http://",
        "http://collector:port",
        "http://collector:99999",
        "http://collector:4318/a,b",
        "http://collector:4318/a=b",
        "http://collector:4318/a b",
        "http://[::1",
    ],
)
def test_what_is_no_collectors_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(TracingError, match="http://HOST:4318") as refusal:
        Tracing.to(url)
    assert repr(url) in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:hunter2@collector:4318",
        "http://user:hunter2@collector:port",
        "http://user:hunter2@[::1",
        "https://:hunter2@collector",
        "http://collector:4318/v1/traces?token=hunter2",
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(TracingError, match="let the collector listen where it needs none") as refusal:
        Tracing.to(url)
    shown: BaseException | None = refusal.value
    while shown is not None:
        assert "hunter2" not in str(shown)
        shown = shown.__cause__ or shown.__context__


@given(st.text())
def test_any_text_is_read_or_refused_and_never_becomes_two_settings(url: str) -> None:
    try:
        tracing = Tracing.to(url)
    except TracingError:
        return
    flag = trace_flags(tracing)[3]
    assert flag.count(",") == 1
    assert flag.count("=") == 2


def test_tracing_is_off_unless_somebody_wants_it() -> None:
    assert trace_flags(None) == OFF == ("--trace-config=level=OFF",)


def test_a_rate_of_nought_leaves_the_choice_to_the_edge() -> None:
    flags = trace_flags(Tracing.to("http://127.0.0.1:4318"))
    assert "--trace-config=rate=0" in flags
    assert "--trace-config=mode=opentelemetry" in flags
    assert "--trace-config=opentelemetry,resource=service.name=triton" in flags
