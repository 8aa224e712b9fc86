"""WhatsApp's text formatting, as its apps show it: to HTML that is safe anywhere, and to plain text.

Formatting reference, section 1: `*bold*`, `_italic_`, `~strike~`, code in one backtick or three on each side
(three for several lines), lines that begin with `- ` or `* ` (list), `1. ` (numbered) or `> ` (quote), and
bare web addresses. A marker touches what it marks, and outside no letter or digit; two of one kind side by
side are text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

Style = Literal["strong", "em", "s"]
Kind = Literal["text", "bullet", "number", "quote"]


@dataclass(frozen=True, slots=True)
class Text:
    """As it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Inside backticks; may have several lines."""

    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """A web address."""

    url: str


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a style begins or ends; edges nest like brackets."""

    style: Style
    begins: bool


Piece = Text | Code | Link | Edge


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `mark` is what it begins with where that makes it a list's or a quote."""

    kind: Kind
    pieces: Sequence[Piece]
    mark: str = ""


_STYLES: Final[Mapping[str, Style]] = {"*": "strong", "_": "em", "~": "s"}
_BLOCK: Final = "```"
_PREFIXES: Final[Mapping[Kind, re.Pattern[str]]] = {
    "bullet": re.compile(r"[-*] (?=\S)"),
    "number": re.compile(r"([0-9]{1,9})\. (?=\S)"),
    "quote": re.compile(r"> "),
}
_SPECIAL: Final = re.compile(r"[*_~`]|https?://", re.IGNORECASE)
_URL: Final = re.compile(r"https?://[^\s<>\"`]+", re.IGNORECASE)
_AFTER_A_URL: Final = ".,;:!?')]*_~"
"""At its end these belong to the sentence around it."""
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What no HTML document may hold."""


def to_html(text: str) -> str:
    """Well-formed HTML with nothing in it but strong, em, s, code, a, br, ul, ol, li and blockquote."""
    return "".join(_block(kind, list(lines)) for kind, lines in groupby(parse(text), lambda line: line.kind))


def to_plain(text: str) -> str:
    """The text without the markers of styles and code; lists and quotes keep theirs."""
    return "\n".join(line.mark + "".join(map(_plain, line.pieces)) for line in parse(text))


def parse(text: str) -> list[Line]:
    """The lines of a text, in time linear in its length."""
    clean = _UNFIT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines: list[list[str | Code]] = [[]]
    for part in _parts(clean):
        if isinstance(part, Code):
            lines[-1].append(part)
        else:
            first, *more = part.split("\n")
            lines[-1].append(first)
            lines += [[one] for one in more]
    return [_line(parts) for parts in lines]


def _parts(text: str) -> Iterator[str | Code]:
    """Blocks of code, and what stands between them."""
    at = 0
    while (begin := text.find(_BLOCK, at)) >= 0:
        end = text.find(_BLOCK, begin + len(_BLOCK) + 1)
        if end < 0:
            break
        yield text[at:begin]
        yield Code(text[begin + len(_BLOCK) : end])
        at = end + len(_BLOCK)
    yield text[at:]


def _line(parts: list[str | Code]) -> Line:
    start = parts[0] if parts and isinstance(parts[0], str) else ""
    for kind, prefix in _PREFIXES.items():
        found = prefix.match(start)
        if found:
            return Line(kind, _Inline([start[found.end() :], *parts[1:]]).pieces, found[0])
    return Line("text", _Inline(parts).pieces)


class _Inline:
    """The pieces of one line: a style that is opened stays text until it is closed."""

    def __init__(self, parts: Sequence[str | Code]) -> None:
        self.pieces: list[Piece] = []
        self._open: list[tuple[str, int]] = []
        """Markers, and where in `pieces` they stand; each kind at most once."""
        for number, part in enumerate(parts):
            if isinstance(part, Code):
                self.pieces.append(part)
            else:
                self._read(part, after_code=number > 0, before_code=number < len(parts) - 1)

    def _read(self, text: str, *, after_code: bool, before_code: bool) -> None:
        # A backtick stands for the code beside it: no space, and no letter.
        framed = ("`" if after_code else " ") + text + ("`" if before_code else " ")
        at, last, ticks = 1, len(framed) - 1, True
        while (found := _SPECIAL.search(framed, at, last)) is not None:
            here = found.start()
            self._text(framed[at:here])
            at = here + 1
            match found[0]:
                case "`":
                    end = framed.find("`", at, last) if ticks else -1
                    ticks = end >= 0
                    at = self._code(framed, at, end)
                case "*" | "_" | "~" as marker:
                    self._marker(marker, framed[here - 1], framed[here + 1])
                case _:
                    at = self._link(framed, here, last)
        self._text(framed[at:last])

    def _code(self, framed: str, begin: int, end: int) -> int:
        if end <= begin:
            self._text("`")
            return begin
        self.pieces.append(Code(framed[begin:end]))
        return end + 1

    def _link(self, framed: str, begin: int, last: int) -> int:
        found = _URL.match(framed, begin, last)
        url = found[0].rstrip(_AFTER_A_URL) if found else ""
        if framed[begin - 1].isalnum() or url.count("/") < 2:  # noqa: PLR2004 - only the two of ://
            self._text(framed[begin : begin + 4])
            return begin + 4
        self.pieces.append(Link(url))
        return begin + len(url)

    def _marker(self, marker: str, before: str, after: str) -> None:
        alone = marker not in (before, after)
        closes = alone and not before.isspace() and not after.isalnum()
        opens = alone and not after.isspace() and not before.isalnum()
        is_open = any(one == marker for one, _ in self._open)
        if closes and is_open:
            self._close(marker)
        elif opens and not is_open:
            self._open.append((marker, len(self.pieces)))
            self.pieces.append(Text(marker))
        else:
            self._text(marker)

    def _close(self, marker: str) -> None:
        """What was opened since, and not closed, stays text."""
        opened, place = self._open.pop()
        while opened != marker:
            opened, place = self._open.pop()
        self.pieces[place] = Edge(_STYLES[marker], begins=True)
        self.pieces.append(Edge(_STYLES[marker], begins=False))

    def _text(self, text: str) -> None:
        if text:
            self.pieces.append(Text(text))


def _block(kind: Kind, lines: Sequence[Line]) -> str:
    shown = ["".join(map(_html, line.pieces)) for line in lines]
    match kind:
        case "text":
            return "<br>".join(shown)
        case "quote":
            return f"<blockquote>{'<br>'.join(shown)}</blockquote>"
        case "bullet":
            return f"<ul>{''.join(f'<li>{one}</li>' for one in shown)}</ul>"
        case "number":
            numbers = [int(line.mark.rstrip(". ")) for line in lines]
            items = (f'<li value="{n}">{one}</li>' for n, one in zip(numbers, shown, strict=True))
            return f"<ol>{''.join(items)}</ol>"


def _html(piece: Piece) -> str:
    match piece:
        case Text(text):
            return html.escape(text)
        case Code(text):
            return f"<code>{'<br>'.join(map(html.escape, text.split(chr(10))))}</code>"
        case Link(url):
            address = html.escape(url)
            return f'<a href="{address}" rel="nofollow noopener noreferrer">{address}</a>'
        case Edge(style, begins):
            return f"<{'' if begins else '/'}{style}>"


def _plain(piece: Piece) -> str:
    match piece:
        case Text(text) | Code(text):
            return text
        case Link(url):
            return url
        case Edge():
            return ""
