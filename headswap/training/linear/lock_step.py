"""Several minimisers go in step: each pass over the images answers all that are still at work.

Flow:  searches + answer --in_lock_step--> what each search found

A search runs in a thread of its own, since scipy's minimiser calls and is not called. Only one side works at
a time: when every search waits, the caller's thread looks at the images, once for all of them. Who asks
together follows from the searches alone, never from which thread was first; so do all bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Found = TypeVar("Found")


class _Stopped(Exception):  # no error: the caller's thread has failed, and says so itself
    """Ends a search that waits."""


def in_lock_step(
    searches: Sequence[Callable[[Callable[[Question], Answer]], Found]],
    answer: Callable[[dict[int, Question]], dict[int, Answer]],
) -> list[Found]:
    """Run searches in threads; this thread answers all that wait together, by their numbers."""
    asked: SimpleQueue[tuple[int, Question | None]] = SimpleQueue()  # None: this search is over
    replies: list[SimpleQueue[Answer | None]] = [SimpleQueue() for _ in searches]  # None: it has to end

    def run(number: int) -> Found:
        def ask(question: Question) -> Answer:
            asked.put((number, question))
            reply = replies[number].get()
            if reply is None:
                raise _Stopped
            return reply

        try:
            return searches[number](ask)
        finally:
            asked.put((number, None))

    with ThreadPoolExecutor(max(1, len(searches)), thread_name_prefix="fold") as pool:
        found: list[Future[Found]] = [pool.submit(run, number) for number in range(len(searches))]
        at_work, waiting = set(range(len(searches))), dict[int, Question]()
        try:
            while at_work:
                number, question = asked.get()
                if question is None:
                    at_work.remove(number)
                else:
                    waiting[number] = question
                if waiting and len(waiting) == len(at_work):
                    questions = {one: waiting.pop(one) for one in sorted(waiting)}
                    for one, reply in answer(questions).items():
                        replies[one].put(reply)
        except BaseException:
            for reply_to in replies:
                reply_to.put(None)
            raise
    return [one.result() for one in found]
