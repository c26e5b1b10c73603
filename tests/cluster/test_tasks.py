"""Which functions a crew runs by their names."""

from __future__ import annotations

import pytest

from headswap.cluster.crew import name_of, task_named
from tests.cluster.tasks_together import add_up


def test_a_function_with_the_mark_is_found_by_its_name() -> None:
    assert task_named(name_of(add_up)) is add_up


@pytest.mark.parametrize("name", ["os:getcwd", "os:no_such_function", "os.path:sep", "os"])
def test_nothing_else_is_run(name: str) -> None:
    with pytest.raises(LookupError, match=f"^{name} is not a task.$"):
        task_named(name)
