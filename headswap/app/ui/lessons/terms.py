"""Plain words with the field's word behind a `?`: put where the word is first said.

Flow:  text + terms --ExplainedTerms--> nodes;  what was never said --rest--> a line of its own

Elements only: no gradio, no service.
"""

from __future__ import annotations

import re

import htpy as h

from headswap.app.ui.widgets.icons import term
from headswap.lessons.glossary import Term

TextParts = list[str | h.Renderable]


def coded(sentence: str) -> TextParts:
    """The same words, with what stands in backticks as code."""
    parts = re.split(r"`([^`]+)`", sentence)
    return [h.code[part] if i % 2 else part for i, part in enumerate(parts)]


class ExplainedTerms:
    """Remembers which terms it has explained already."""

    def __init__(self, terms: tuple[Term, ...]) -> None:
        self._left = list(terms)

    def text(self, sentence: str) -> TextParts:
        """The same words, code in backticks marked, each term explained once."""
        parts = coded(sentence)
        for one in tuple(self._left):
            parts = self._explained(one, parts)
        return parts

    def _explained(self, one: Term, parts: TextParts) -> TextParts:
        """The same, with a `?` behind the first place that says the word."""
        said = re.compile(rf"(?<![\w-]){re.escape(one.word)}(?:s|es)?(?![\w-])[.,?!;:]?", re.IGNORECASE)
        for at, part in enumerate(parts):
            found = said.search(part) if isinstance(part, str) else None
            if found and isinstance(part, str):
                self._left.remove(one)
                mark = h.span(".nowrap")[found[0], " ", term(one.word)]
                return [*parts[:at], part[: found.start()], mark, part[found.end() :], *parts[at + 1 :]]
        return parts

    def paragraphs(self, texts: tuple[str, ...]) -> h.Node:
        return [h.p(".hs-soft")[self.text(one)] for one in texts]

    def rest(self) -> h.Renderable | None:
        """Terms that no text said, so that none is lost."""
        rows = [h.span(".nowrap")[one.word, " ", term(one.word)] for one in self._left]
        self._left = []
        return h.p(".hs-note.terms")["Words: ", rows] if rows else None
