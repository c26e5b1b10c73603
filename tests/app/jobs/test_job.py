from __future__ import annotations

import subprocess
import sys

import pytest

from headswap.app.jobs.job import check_job_id, error_of, new_job_id, short_key
from headswap.app.processes.environment import child_environment
from headswap.errors import NotFound, TooFewImages

MODULES = (
    "database fairness heartbeat job journal liveness queue schema store supervisor worker".split()  # noqa: SIM905
)


def test_ids_are_well_formed_and_never_the_same() -> None:
    ids = {new_job_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(check_job_id(job_id) == job_id for job_id in ids)


@pytest.mark.parametrize("text", ["", "1", "../" * 8, "A" * 32, "g" * 32, "0" * 31, "0" * 32 + "\n"])
def test_an_ill_formed_id_is_a_job_that_does_not_exist(text: str) -> None:
    with pytest.raises(NotFound, match=r"There is no such run\. Open your project again"):
        check_job_id(text)


def test_a_problem_of_the_user_keeps_its_two_sentences() -> None:
    error = error_of(TooFewImages("There is one picture.", remedy="Add another."))

    assert (error.code, error.problem, error.remedy) == (
        "TooFewImages",
        "There is one picture.",
        "Add another.",
    )


def test_a_fault_names_its_kind_and_no_inner_detail() -> None:
    error = error_of(KeyError("/secret/path"))

    assert (error.code, error.problem) == ("fault", "The program has a fault (KeyError).")
    assert "secret" not in error.remedy


def test_too_little_memory_is_said_plainly() -> None:
    words = "This run needs more memory than it may take here."

    assert error_of(MemoryError()).problem == words
    assert error_of(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")).problem == words
    assert error_of(RuntimeError("CUDA out of memory. Tried to allocate")).problem == words
    assert error_of(RuntimeError("std::bad_alloc")).problem == words
    assert error_of(RuntimeError("shapes do not match")).code == "fault"


def test_importing_any_part_of_jobs_loads_neither_torch_nor_gradio() -> None:
    imports = "; ".join(f"import headswap.app.jobs.{module}" for module in MODULES)
    code = f"import sys; {imports}; sys.exit(bool({{'torch', 'gradio'}} & set(sys.modules)))"

    assert (
        subprocess.run([sys.executable, "-c", code], env=child_environment({}), check=False).returncode == 0
    )


def test_any_text_becomes_a_key_that_a_row_can_hold() -> None:
    texts = ["a", "\ud800", "\x00", "x" * 1_000_000]

    keys = [short_key(text) for text in texts]

    assert len(set(keys)) == 4
    assert all(len(key) == 64 for key in keys)
    assert short_key("a") == keys[0]
    assert short_key("") == ""
