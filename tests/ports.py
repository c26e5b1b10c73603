"""Ports for servers that tests start in processes of their own, a moment later."""

from __future__ import annotations

import random
import socket

BELOW_THE_SYSTEMS = range(20_000, 32_000)  # of those above, a connection may be given one in that moment


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Different ports that no one listens on now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(BELOW_THE_SYSTEMS, len(BELOW_THE_SYSTEMS)):
        if len(found) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        found.append(port)
    return found


def free_port() -> int:
    """A port that no one listens on now."""
    return free_ports(1)[0]
