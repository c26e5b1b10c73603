"""How often a code may be tried: by address and name together, so that no one shuts out all the others.

Flow:  (address, name) --GuessCounter.begin--> may try | too often;  --GuessCounter.end--> counted when wrong

Each pair of an address and a name has `OF_A_PAIR` wrong guesses in ten minutes. An address that has guessed
wrong `OF_AN_ADDRESS` times over all names, and a name that was guessed wrong `OF_A_NAME` times from all
addresses, are hot: each pair of them has no more than `WHEN_HOT` guesses. So there is always a bound, and yet
a right code opens from a school's one address while someone there guesses, and for a name that others guess
from elsewhere.

Knows names and addresses; nothing of codes.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

OF_A_PAIR, OF_AN_ADDRESS, OF_A_NAME, WHEN_HOT = 20, 300, 100, 1
A_WHILE_S = 600.0
AT_ONCE, IN_ALL = 40, 200  # guesses that wait: of one address (a class may sit behind it), of everyone
MOST_REMEMBERED = 50_000  # pairs, addresses and names each; the oldest are forgotten
_EVERYBODY = ()
LONGEST_NAME = 100  # letters that are told apart; no name in a file of codes has more than 40


class GuessCounter:
    """Counts wrong guesses of the last while. Used from one thread, the loop's."""

    def __init__(
        self, *, of_a_pair: int = OF_A_PAIR, of_an_address: int = OF_AN_ADDRESS, of_a_name: int = OF_A_NAME,
        at_once: int = AT_ONCE, while_s: float = A_WHILE_S, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._of_a_pair, self._at_once = of_a_pair, at_once
        self._pairs = _Wrong(of_a_pair, while_s, clock)
        self._addresses = _Wrong(of_an_address, while_s, clock)
        self._names = _Wrong(of_a_name, while_s, clock)
        self._now: dict[Hashable, int] = {}  # guesses that are being looked at

    def begin(self, address: str, name: str) -> bool:
        """Whether this pair may try now; then `end` must follow."""
        pair = (address, name[:LONGEST_NAME])
        waiting = self._now.get(pair, 0)
        may = WHEN_HOT if self.is_hot(address, name) else self._of_a_pair
        if self._pairs.count(pair) + waiting >= may:
            return False
        for one in (pair, address, _EVERYBODY):
            self._now[one] = self._now.get(one, 0) + 1
        return True

    def end(self, address: str, name: str, *, wrong: bool) -> None:
        """It is over."""
        pair = (address, name[:LONGEST_NAME])
        for one in (pair, address, _EVERYBODY):
            self._now[one] -= 1
            if not self._now[one]:
                del self._now[one]
        if wrong:
            self._pairs.add(pair)
            self._addresses.add(address)
            self._names.add(pair[1])

    def is_crowded(self, address: str) -> bool:
        """Whether so many wait already that one more should come back in a moment."""
        return self._now.get(address, 0) >= self._at_once or self._now.get(_EVERYBODY, 0) >= IN_ALL

    def is_hot(self, address: str, name: str) -> bool:
        """Whether the address or the name has seen so many wrong guesses that each pair has only one left."""
        return self._addresses.is_full(address) or self._names.is_full(name[:LONGEST_NAME])


class _Wrong:
    """When each went wrong, the newest `most` times."""

    def __init__(self, most: int, while_s: float, clock: Callable[[], float]) -> None:
        self._most, self._while_s, self._clock = most, while_s, clock
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def count(self, who: Hashable) -> int:
        times = self._times.get(who, deque())
        while times and self._clock() - times[0] > self._while_s:
            times.popleft()
        return len(times)

    def is_full(self, who: Hashable) -> bool:
        return self.count(who) >= self._most

    def add(self, who: Hashable) -> None:
        self._times.setdefault(who, deque(maxlen=self._most)).append(self._clock())
        self._times.move_to_end(who)
        while len(self._times) > MOST_REMEMBERED:
            self._times.popitem(last=False)
