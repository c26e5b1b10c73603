"""The glossary: one entry a word, a drawing for each, nothing on the page without an entry."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from headswap.app.ui.widgets.html import rendered
from headswap.app.ui.widgets.icons import term
from headswap.app.ui.widgets.term_drawings import drawing_of
from headswap.lessons import glossary
from headswap.lessons.catalogue import LESSONS
from headswap.lessons.glossary import term_of

PACKAGE = Path(__file__).parents[3] / "headswap"


@pytest.mark.parametrize("word", [one.word for one in glossary._ALL])
def test_every_word_has_a_sentence_a_drawing_and_the_term_of_the_field(word: str) -> None:
    one = term_of(word)

    assert one.sentence.endswith(".")
    assert len(one.sentence) <= 110, "a sentence that fits into the small box"
    assert one.field
    assert len(ElementTree.fromstring(rendered(drawing_of(word)))) >= 1  # well-formed, and not empty
    said = rendered(term(word))
    assert said.index("<svg") < said.index("<b>") < said.index("The field says: ", said.index("<b>"))


def test_every_word_is_asked_for_somewhere() -> None:
    used = {one.word for lesson in LESSONS for one in lesson.terms}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"""\bterm\(['"]([^'"]+)['"]\)""", text))
        used |= {
            word
            for found in re.findall(r"\bterms\(([^)]*)\)", text)
            for word in re.findall(r'"([^"]+)"', found)
        }
        used |= set(re.findall(r'_(?:field|name)\("[^"]+", "([^"]+)"', text))

    assert {one.word for one in glossary._ALL} == used
