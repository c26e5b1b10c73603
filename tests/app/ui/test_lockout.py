"""Who may try a code: a bound for everyone who guesses, and a way in for everyone who does not."""

from __future__ import annotations

from headswap.app.ui.gateway.lockout import AT_ONCE, GuessCounter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def wrong(guesses: GuessCounter, address: str, name: str) -> bool:
    """One wrong guess; whether it was looked at."""
    if not guesses.begin(address, name):
        return False
    guesses.end(address, name, wrong=True)
    return True


def right(guesses: GuessCounter, address: str, name: str) -> bool:
    if not guesses.begin(address, name):
        return False
    guesses.end(address, name, wrong=False)
    return True


def test_who_guesses_at_one_name_is_shut_out_of_that_name_and_nobody_else_is() -> None:
    guesses = GuessCounter(of_a_pair=3, of_an_address=100, of_a_name=100)

    assert [wrong(guesses, "school", "eve") for _ in range(5)] == [True, True, True, False, False]
    assert not right(guesses, "school", "eve")
    assert right(guesses, "school", "ada")
    assert right(guesses, "home", "eve")


def test_one_address_that_guesses_across_names_has_one_guess_a_name_and_a_right_code_still_opens() -> None:
    guesses = GuessCounter(of_a_pair=3, of_an_address=10, of_a_name=1000)
    names = [f"name {number}" for number in range(20)]

    looked_at = sum(wrong(guesses, "school", name) for name in names for _ in range(3))

    assert looked_at == 10 + (20 - 4), "three a name until the tenth, one a name afterwards"
    assert not any(wrong(guesses, "school", name) for name in names)
    assert right(guesses, "school", "ada")
    assert right(guesses, "school", "bob")


def test_one_name_that_is_guessed_from_many_addresses_has_one_guess_an_address() -> None:
    guesses = GuessCounter(of_a_pair=3, of_an_address=1000, of_a_name=10)
    addresses = [f"address {number}" for number in range(20)]

    looked_at = sum(wrong(guesses, address, "ada") for address in addresses for _ in range(3))

    assert looked_at == 10 + (20 - 4)
    assert right(guesses, "her own", "ada")
    assert right(guesses, "address 1", "bob")


def test_guesses_at_the_same_moment_are_not_more_than_one_after_another() -> None:
    guesses = GuessCounter(of_a_pair=3, of_an_address=100, of_a_name=100)

    assert [guesses.begin("school", "ada") for _ in range(5)] == [True, True, True, False, False]


def test_no_more_wait_than_memory_bears_and_others_have_room() -> None:
    guesses = GuessCounter()
    for number in range(AT_ONCE):
        assert not guesses.is_crowded("school")
        assert guesses.begin("school", f"{number}")

    assert guesses.is_crowded("school")
    assert not guesses.is_crowded("home")
    guesses.end("school", "0", wrong=False)
    assert not guesses.is_crowded("school")


def test_wrong_guesses_are_forgiven_after_a_while() -> None:
    clock = Clock()
    guesses = GuessCounter(of_a_pair=1, while_s=600.0, clock=clock)
    assert wrong(guesses, "school", "ada")
    assert not right(guesses, "school", "ada")

    clock.now = 601.0

    assert right(guesses, "school", "ada")
    assert not guesses.is_hot("school", "ada")
