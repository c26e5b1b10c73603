"""Wrong and right side by side: what both begin with, the lines that differ marked, each to be copied.

Flow:  Code --sides--> HTML;  a copy button carries the whole program

Pure text: no gradio, no service.
"""

from __future__ import annotations

import difflib
import re

from headswap.app.ui.widgets.icons import icon
from headswap.app.ui.widgets.text import safe
from headswap.lessons.lesson import Code


def sides(code: Code) -> str:
    """Both versions of one piece of code."""
    wrong, right = code.wrong.splitlines(), code.right.splitlines()
    only_wrong, only_right = _differing(wrong, right)
    return (
        f'<div class="begin"><p class="hs-note">Both begin with</p><pre class="code" tabindex="0">'
        f'{_lines(code.before.splitlines(), set(), "")}</pre></div><div class="sides">'
        + _side("bad", icon("cross"), f"Wrong: {code.wrong_words}", code.before, wrong, only_wrong)
        + _side("good", icon("good"), f"Right: {code.right_words}", code.before, right, only_right)
        + "</div>"
    )


def copy_button(text: str, what: str) -> str:
    """A button that puts a text on the clipboard, also where the page is not protected (learn.js)."""
    return (
        f'<button class="btn small" type="button" data-copy="{safe(text)}" aria-label="Copy: {safe(what)}">'
        "Copy</button>"
    )


def shell_lines(verbs: tuple[str, ...]) -> str:
    """Lines for a shell, each with its copy button."""
    rows = "".join(f"<li><code>{safe(verb)}</code>{copy_button(verb, verb)}</li>" for verb in verbs)
    return f'<ul class="shell-lines">{rows}</ul>'


def _side(tone: str, mark: str, words: str, before: str, lines: list[str], marked: set[int]) -> str:
    whole = before + "\n\n" + "\n".join(lines) + "\n"
    return (
        f'<figure><figcaption><span class="tag {tone}">{mark}{safe(words)}</span>{copy_button(whole, words)}'
        f'</figcaption><pre class="code" tabindex="0">{_lines(lines, marked, tone)}</pre></figure>'
    )


def _lines(lines: list[str], marked: set[int], tone: str) -> str:
    parts = []
    for number, line in enumerate(lines):
        kind = f' class="hl {tone}"' if number in marked else ""
        code, comment = _split_comment(line)
        said = f"<i>{safe(comment)}</i>" if comment else ""
        parts.append(f"<span{kind}>{_breakable(code) or ' '}{said}</span>")
    return "".join(parts)


def _breakable(code: str) -> str:
    """Harmless, and on a narrow side broken after a bracket or before a dot, not within a name."""
    return re.sub(
        r"(\()(?=.)|(?<=\w)(\.)(?=[a-z_])", lambda found: f"{found[1] or ''}<wbr>{found[2] or ''}", safe(code)
    )


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
