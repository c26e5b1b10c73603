"""Both of the page's processes with torch in one child: importing it takes longer than what is asked."""

from __future__ import annotations

from headswap.app.processes import inference, lessons
from headswap.app.processes.lessons import AskLesson


def answer(question: AskLesson | inference.Question) -> object:
    """By whichever of the two it is for."""
    return (lessons if isinstance(question, AskLesson) else inference).answer(question)
