"""Wrong and right side by side: what both begin with, the lines that differ marked, each to be copied.

Flow:  Code --sides--> elements;  a copy button carries the whole program

Elements only: no gradio, no service.
"""

from __future__ import annotations

import difflib
import re

import htpy as h

from headswap.app.ui.widgets.icons import icon
from headswap.lessons.lesson import Code

_BREAKS = re.compile(r"(?<=\()(?=.)|(?<=\w)(?=\.[a-z_])")


def sides(code: Code) -> h.Renderable:
    """Both versions of one piece of code."""
    wrong, right = code.wrong.splitlines(), code.right.splitlines()
    only_wrong, only_right = _differing(wrong, right)
    return h.fragment[
        h.div(".begin")[h.p(".hs-note")["Both begin with"], _lines(code.before.splitlines(), set(), "")],
        h.div(".sides")[
            _side("bad", f"Wrong: {code.wrong_text}", code.before, wrong, only_wrong),
            _side("good", f"Right: {code.right_text}", code.before, right, only_right),
        ],
    ]


def copy_button(text: str, what: str) -> h.Renderable:
    """A button that puts a text on the clipboard, also where the page is not protected (learn.js)."""
    return h.button(".btn.small", type="button", data_copy=text, aria_label=f"Copy: {what}")["Copy"]


def shell_lines(verbs: tuple[str, ...]) -> h.Renderable:
    """Lines for a shell, each with its copy button."""
    return h.ul(".shell-lines")[[h.li[h.code[verb], copy_button(verb, verb)] for verb in verbs]]


def _side(tone: str, label: str, before: str, lines: list[str], marked: set[int]) -> h.Renderable:
    whole = before + "\n\n" + "\n".join(lines) + "\n"
    mark = icon("good" if tone == "good" else "cross")
    return h.figure[
        h.figcaption[h.span(class_=["tag", tone])[mark, label], copy_button(whole, label)],
        _lines(lines, marked, tone),
    ]


def _lines(lines: list[str], marked: set[int], tone: str) -> h.Renderable:
    return h.pre(".code", tabindex="0")[
        [
            h.span(class_={"hl": number in marked, tone: number in marked})[_line(line)]
            for number, line in enumerate(lines)
        ]
    ]


def _line(line: str) -> h.Node:
    """On a narrow side it is broken after a bracket or before a dot, not within a name."""
    code, comment = _split_comment(line)
    first, *others = _BREAKS.split(code)
    return first, [(h.wbr, part) for part in others], not code and " ", h.i[comment] if comment else None


def _split_comment(line: str) -> tuple[str, str]:
    at = line.find("#")
    return (line, "") if at < 0 else (line[:at], line[at:])


def _differing(wrong: list[str], right: list[str]) -> tuple[set[int], set[int]]:
    """Line numbers of each side that the other one has not, or has elsewhere; comments do not count."""
    a_codes, b_codes = ([_split_comment(line)[0].rstrip() for line in lines] for lines in (wrong, right))
    first: set[int] = set()
    second: set[int] = set()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, a_codes, b_codes, autojunk=False).get_opcodes():
        if kind != "equal":
            first.update(number for number in range(a, b) if wrong[number].strip())
            second.update(number for number in range(c, d) if right[number].strip())
    return first, second
