"""Plain words with the field's word behind a `?`: put where the word is first said.

Flow:  text + terms --ExplainedTerms--> HTML;  what was never said --rest--> a line of its own

Pure text: no gradio, no service.
"""

from __future__ import annotations

import re

from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.text import safe
from headswap.lessons.glossary import Term


def coded(words: str) -> str:
    """The same words, harmless, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", safe(words))


class ExplainedTerms:
    """Remembers which terms it has explained already."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self._left = list(terms)

    def text(self, words: str) -> str:
        """The same words, harmless, code in backticks marked, each term explained once."""
        html = coded(words)
        for one in tuple(self._left):
            found = re.search(
                rf"(?<![\w-]){re.escape(safe(one.word))}(?:s|es)?(?![\w-])[.,?!;:]?", html, re.IGNORECASE
            )
            if found:
                self._left.remove(one)
                mark = f'<span class="nowrap">{found[0]} {term(one.word)}</span>'
                html = html[: found.start()] + mark + html[found.end() :]
        return html

    def paragraphs(self, texts: tuple[str, ...], classes: str = "hs-soft") -> str:
        return "".join(f'<p class="{classes}">{self.text(one)}</p>' for one in texts)

    def rest(self) -> str:
        """Terms that no text said, so that none is lost."""
        rows = "".join(f'<span class="nowrap">{safe(one.word)} {term(one.word)}</span>' for one in self._left)
        self._left = []
        return f'<p class="hs-note words">Words: {rows}</p>' if rows else ""
