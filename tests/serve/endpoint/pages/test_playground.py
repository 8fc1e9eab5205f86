"""The page as a file: one file, nothing from elsewhere, and a policy that fits it to the letter."""

import base64
import hashlib
import re

import pytest

from tritext_serve.endpoint.edge.routes import PAGES

PAGE = (PAGES / "playground.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["script", "style"])
def test_the_policy_names_the_digest_of_what_is_there(kind: str) -> None:
    (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", PAGE, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{kind}-src 'sha256-{digest}'" in PAGE, f"write sha256-{digest} as the page's {kind}-src"


def test_the_policy_forbids_all_else() -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', PAGE)
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'self'"
    assert directives["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy


def test_nothing_comes_from_elsewhere() -> None:
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"^\s*//.*$", "", PAGE, flags=re.MULTILINE)) == []
    assert re.findall(r'(?:src|href)="(?!data:,|/openapi\.yaml)[^"]*"', PAGE) == []


def test_texts_enter_the_page_as_texts_alone() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\.on[a-z]+ ?="
    assert re.findall(ways, PAGE) == []


def test_no_key_is_kept() -> None:
    assert re.findall(r"localStorage|sessionStorage|document\.cookie|indexedDB", PAGE) == []
    assert '<input id="key" type="password" autocomplete="off"' in PAGE


def test_every_field_has_a_label() -> None:
    fields = re.findall(r'<(?:input|textarea) id="([a-z]+)"', PAGE)
    assert fields == re.findall(r'<label for="([a-z]+)"', PAGE)
