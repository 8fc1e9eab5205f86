"""The playground in a real browser, by keys alone: it answers, it explains, and it loads nothing from elsewhere."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.browser import CONTROL, PROGRAM, SHIFT, Browser
from tests.serve.endpoint.edges import RunningEdge

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PROGRAM is None, reason="chromium is MISSING: apt-get install chromium"),
]
POSITIVE, NEGATIVE = "A wonderful, moving film.", "Two hours that I will never get back."
DESKTOP, PHONE = (1200, 900), (390, 844)
BEFORE_KEY = 4
DONE = "document.querySelectorAll('article').length == 2 && document.querySelector('#answers').ariaBusy == 'false'"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all."""
    with Browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, edge_endpoint: RunningEdge) -> Browser:
    """The playground, freshly loaded; the text has the focus."""
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.look(*DESKTOP)
    chromium.open(f"{edge_endpoint.url}/")
    chromium.until("document.activeElement.id === 'text'")  # a browser gives autofocus when it next draws, not on load
    return chromium


def enter_key(page: Browser, key: str) -> None:
    """Go from the text to the key, past the texts to try, and type it."""
    for _ in range(BEFORE_KEY):
        page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "key"
    page.type(key)


def ask(page: Browser, text: str, key: str) -> None:
    """Type a text and a key, press Enter, wait for the answers."""
    page.type(text)
    enter_key(page, key)
    page.press("Enter")
    page.until(DONE)


def test_a_text_gets_its_label_from_both_models_by_keys_alone(page: Browser, edge_endpoint: RunningEdge) -> None:
    ask(page, POSITIVE, edge_endpoint.key)
    trained = page.text("article[data-variant=trained]")
    assert trained.startswith("trained")
    assert "positive" in page.text("article[data-variant=trained] .label")
    assert re.search(r"\d+ ms", trained)
    assert re.search(r"8 tokens · sentiment v\d+ · blue", trained)
    assert page.text("article[data-variant=naive]").startswith("naive")
    assert page.evaluate("document.querySelector('#status').getAttribute('role')") == "status"
    assert re.match(r"(Both say positive|They differ: trained says positive)", page.text("#status"))


def test_every_score_has_a_bar_as_long_as_it_and_a_name(page: Browser, edge_endpoint: RunningEdge) -> None:
    ask(page, POSITIVE, edge_endpoint.key)
    page.until("[...document.querySelectorAll('article i')].every(bar => bar.style.width)")  # set when it next draws
    rows = page.evaluate(
        "[...document.querySelectorAll('article[data-variant=trained] dl > div')].map(row => ["
        "row.children[0].innerText,"
        " parseFloat(row.children[2].innerText), row.querySelector('i').offsetWidth / row.children[1].offsetWidth])"
    )
    assert [name for name, *_ in rows] == ["positive", "negative"]
    assert sum(shown for _, shown, _ in rows) == pytest.approx(100, abs=0.2)
    assert [drawn for *_, drawn in rows] == pytest.approx([shown / 100 for _, shown, _ in rows], abs=0.02)


def test_control_and_enter_send_from_the_text_itself(page: Browser, edge_endpoint: RunningEdge) -> None:
    enter_key(page, edge_endpoint.key)
    for _ in range(BEFORE_KEY):
        page.press("Tab", SHIFT)
    page.type(NEGATIVE)
    page.press("Enter", CONTROL)
    page.until(DONE)
    assert "negative" in page.text("article[data-variant=trained] .label")
    assert page.evaluate("document.querySelector('#text').value") == NEGATIVE, "and no line was broken"


def test_a_text_to_try_is_one_key_away(page: Browser, edge_endpoint: RunningEdge) -> None:
    enter_key(page, edge_endpoint.key)
    for _ in range(3):
        page.press("Tab", SHIFT)
    page.press(" ")
    page.until(DONE)
    assert page.evaluate("document.querySelector('#text').value") == POSITIVE


def test_what_has_the_focus_shows_it(page: Browser) -> None:
    widths = []
    for _ in range(BEFORE_KEY + 3):
        widths.append(page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)"))
        page.press("Tab")
    assert min(widths) >= 2


@pytest.mark.parametrize("key", ["", "wrong-" + "w" * 38, "kéy"], ids=["none", "wrong", "no key at all"])
def test_a_wrong_key_is_told_in_words_and_gets_the_focus(page: Browser, key: str) -> None:
    page.type(POSITIVE)
    enter_key(page, key)
    page.press("Enter")
    words = page.until("!document.querySelector('#problem').hidden && document.querySelector('#problem').innerText")
    assert "key" in words
    assert key == "" or key not in words
    assert page.evaluate("document.activeElement.id") == "key"
    assert page.evaluate("document.querySelectorAll('article').length") == 0


def test_a_text_that_is_too_long_is_told_in_words(page: Browser, edge_endpoint: RunningEdge) -> None:
    page.evaluate("document.querySelector('#text').value = 'x'.repeat(1 << 20)")
    enter_key(page, edge_endpoint.key)
    page.press("Enter")
    words = page.until("!document.querySelector('#problem').hidden && document.querySelector('#problem').innerText")
    assert words.startswith("The text is too long")


def test_a_text_of_markup_stays_a_text(page: Browser, edge_endpoint: RunningEdge) -> None:
    evil = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>'; echo run; '"
    ask(page, evil, edge_endpoint.key)
    assert page.evaluate("document.title") == "tritext playground"
    assert page.evaluate("document.querySelectorAll('img, article script').length") == 0
    assert page.complaints == []


def test_it_loads_nothing_from_elsewhere_and_keeps_no_key(page: Browser, edge_endpoint: RunningEdge) -> None:
    ask(page, POSITIVE, edge_endpoint.key)
    assert len(page.requests) >= 3
    assert [url for url in page.requests if not url.startswith((f"{edge_endpoint.url}/", "data:"))] == []
    assert not any(edge_endpoint.key in url for url in page.requests)
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert edge_endpoint.key not in page.evaluate("document.documentElement.outerHTML")
    assert page.complaints == []


def test_its_policy_forbids_what_it_does_not_need(page: Browser) -> None:
    page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")
    page.evaluate("document.body.append(Object.assign(document.createElement('img'), {src: '/openapi.yaml'}))")
    assert page.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return 'refused' } })()"
    )
    page.until("document.querySelector('img').complete")
    deadline = time.monotonic() + 30
    while len(page.complaints) < 2 and time.monotonic() < deadline:
        page.evaluate("0")  # what the browser says besides comes with an answer, sooner or later
    assert len(page.complaints) >= 2


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_fits(page: Browser, edge_endpoint: RunningEdge, size: tuple[int, int], scheme: str) -> None:
    page.look(*size, scheme)
    ask(page, NEGATIVE, edge_endpoint.key)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll to sideways"
    pairs = {"body": "body", ".label": "article", ".facts": "article", "#go": "#go", "#status": "body", "dt": "article"}
    for shown, behind in pairs.items():
        assert contrast(colour(page, shown, "color"), colour(page, behind, "backgroundColor")) >= 4.5, shown
    assert (sum(colour(page, "body", "backgroundColor")) < 200) == (scheme == "dark")


def colour(page: Browser, selector: str, what: str) -> tuple[int, ...]:
    """Red, green and blue of an element."""
    found = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{what}")
    return tuple(int(part) for part in re.findall(r"\d+", found)[:3])


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """WCAG's ratio of two colours: 4.5 is enough to read a text by."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(parts: tuple[int, ...]) -> float:
    """WCAG's relative luminance."""
    linear = [p / 255 / 12.92 if p <= 10 else ((p / 255 + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
