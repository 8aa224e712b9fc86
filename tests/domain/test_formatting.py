from __future__ import annotations

import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.formatting import parse, to_html, to_plain

ALPHABET = st.text(st.sampled_from("*_~`>-1. \nab<&\"'/:é\x00\ud800")) | st.text()
HOSTILE = st.lists(
    st.sampled_from(
        ["*", "_", "~", "`", "```", "https://a.b/", "- ", "1. ", "> ", "\n", "x", " ", "<b>", "&"]
    )
).map("".join)
ALLOWED = {"strong", "em", "s", "code", "a", "br", "ul", "ol", "li", "blockquote"}


@pytest.mark.parametrize(
    ("text", "html", "plain"),
    [
        ("*bold*", "<strong>bold</strong>", "bold"),
        ("_italic_", "<em>italic</em>", "italic"),
        ("~gone~", "<s>gone</s>", "gone"),
        ("`a*b*c`", "<code>a*b*c</code>", "a*b*c"),
        ("```two\nlines```", "<code>two<br>lines</code>", "two\nlines"),
        ("*_both_*", "<strong><em>both</em></strong>", "both"),
        ("*two words*, then", "<strong>two words</strong>, then", "two words, then"),
        ("*a `b*` c*", "<strong>a <code>b*</code> c</strong>", "a b* c"),
        ("- a\n* b", "<ul><li>a</li><li>b</li></ul>", "- a\n* b"),
        ("1. a\n7. b", '<ol><li value="1">a</li><li value="7">b</li></ol>', "1. a\n7. b"),
        ("> a\n> *b*", "<blockquote>a<br><strong>b</strong></blockquote>", "> a\n> b"),
        ("a\nb", "a<br>b", "a\nb"),
        ("<script>", "&lt;script&gt;", "<script>"),
    ],
)
def test_what_whatsapp_shows_formatted(text: str, html: str, plain: str) -> None:
    assert (to_html(text), to_plain(text)) == (html, plain)


@pytest.mark.parametrize(
    "text",
    [
        "**bold**",
        "# heading",
        "[text](url)",
        "* not *",
        "*not *",
        "my_variable_name",
        "2*3*4",
        "*one",
        "*over\nlines*".replace("\n", " ") + "x",
        ">no space",
        "-no space",
        "1.no space",
        "``````",
        "http://",
    ],
)
def test_what_whatsapp_shows_as_it_is(text: str) -> None:
    assert to_plain(text) == text
    assert re.sub(r"</?(ul|li)>", "", to_html(text)) in (
        text,
        text.removeprefix("* "),
        text.replace(">", "&gt;"),
    )


def test_a_style_ends_with_its_line() -> None:
    assert to_html("*a\nb*") == "*a<br>b*"


def test_a_bare_address_becomes_a_link_and_keeps_its_underscores() -> None:
    html = to_html("*see https://a.example/x_y_z?q=1&r=2.*")

    assert html == (
        '<strong>see <a href="https://a.example/x_y_z?q=1&amp;r=2" rel="nofollow noopener noreferrer">'
        "https://a.example/x_y_z?q=1&amp;r=2</a>.</strong>"
    )


@pytest.mark.parametrize("text", ["javascript:alert(1)", "data:text/html,x", "xhttps://a.example", '"onx="'])
def test_nothing_else_becomes_a_link(text: str) -> None:
    assert "<a" not in to_html(text)


@given(ALPHABET | HOSTILE)
def test_html_is_well_formed_and_holds_only_what_it_may(text: str) -> None:
    root = ET.fromstring(f"<div>{to_html(text).replace('<br>', '<br/>')}</div>")  # noqa: S314 - our own

    elements = [one for one in root.iter() if one is not root]
    assert {one.tag for one in elements} <= ALLOWED
    assert all(one.attrib.keys() <= {"href", "rel", "value"} for one in elements)
    assert all(re.match("https?://", one.attrib["href"], re.IGNORECASE) for one in elements if one.tag == "a")


@given(ALPHABET | HOSTILE)
def test_html_shows_the_characters_of_the_plain_text(text: str) -> None:
    def letters(shown: str) -> str:
        return re.sub(r"[\s>*-]|[0-9]+\.", "", shown)

    shown = unescape(re.sub(r"<[^>]*>", "", to_html(text).replace("<br>", "\n")))
    assert letters(shown) == letters(to_plain(text))


@given(ALPHABET | HOSTILE)
def test_plain_text_loses_nothing_but_markers(text: str) -> None:
    kept = iter(text.replace("\r\n", "\n").replace("\r", "\n"))

    assert all(any(one in (char, "\ufffd") for char in kept) or one == "\ufffd" for one in to_plain(text))
    assert len(parse(text)) >= 1


@pytest.mark.parametrize(
    "piece", ["*a ", "_*~", "`", "```", "``` ", "*_", "https://", "> ", "- *", "~a~ ", "1. `"]
)
def test_hostile_text_is_read_in_linear_work(piece: str) -> None:
    text = piece * 20_000
    pieces = sum(len(line.pieces) for line in parse(text))

    assert pieces <= len(text) + 1
