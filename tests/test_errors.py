from __future__ import annotations

import copy
import pickle

from headswap.errors import MOST_LETTERS, BadSetting


def test_an_error_says_what_happened_and_what_to_do_also_after_a_trip() -> None:
    error = BadSetting("epochs is 0.", remedy="Choose 1 or more.")

    for one in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301  our own
        assert str(one) == "epochs is 0. Choose 1 or more."
        assert (one.problem, one.remedy) == ("epochs is 0.", "Choose 1 or more.")


def test_what_a_stranger_typed_can_be_shown_and_stays_short() -> None:
    error = BadSetting(f"name is {chr(0xD800)} {'x' * 1_000_000}.", remedy="Choose another.")

    assert error.problem.startswith("name is ? xxx")
    assert len(error.problem) == MOST_LETTERS
    str(error).encode()
