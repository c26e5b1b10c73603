from __future__ import annotations

import io

import pytest

from headswap.app.processes.messages import ChildReply, read_message, write_message


@pytest.mark.parametrize("text", ["", "plain", 'quotes " and \n lines', "żółć 🦊", "x" * 300_000])
def test_a_message_comes_through_unchanged(text: str) -> None:
    pipe = io.BytesIO()
    write_message(pipe, text)
    write_message(pipe, "next")
    pipe.seek(0)

    assert read_message(pipe, str) == text
    assert read_message(pipe, str) == "next"
    assert read_message(pipe, str) is None


def test_a_message_cut_anywhere_is_the_end_of_the_talk() -> None:
    pipe = io.BytesIO()
    write_message(pipe, ChildReply(problem="whole"))

    for size in range(len(pipe.getvalue())):
        assert read_message(io.BytesIO(pipe.getvalue()[:size]), ChildReply) is None
