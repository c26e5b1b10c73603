from __future__ import annotations

import os
import subprocess
import sys

import pytest

from headswap.app.processes.environment import (
    PACKAGE_ROOT,
    child_environment,
    python_command,
    thread_environment,
)


def test_a_child_imports_headswap_first_from_where_the_server_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/elsewhere", str(PACKAGE_ROOT)]))

    environment = child_environment({})

    assert environment["PYTHONPATH"].split(os.pathsep) == [str(PACKAGE_ROOT), "/elsewhere"]
    assert (PACKAGE_ROOT / "headswap" / "errors.py").is_file()


def test_what_is_given_wins_over_what_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")

    assert child_environment({"OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"] == "2"


def test_the_threads_of_a_child_sleep_while_they_wait_unless_the_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert child_environment({})["OMP_WAIT_POLICY"] == "PASSIVE"

    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert child_environment({})["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_pools_that_numpy_and_scipy_bring_have_one_thread_unless_the_person_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "import scipy.optimize, threadpoolctl as pools;"
        "print(*(pool['num_threads'] for pool in pools.threadpool_info() if pool['user_api'] == 'blas'))"
    )

    def threads() -> set[str]:
        command = [sys.executable, "-c", code]
        ended = subprocess.run(command, env=child_environment({}), capture_output=True, text=True, check=True)
        return set(ended.stdout.split())

    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads() == {"1"}

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert child_environment({})["OPENBLAS_NUM_THREADS"] == "2"


def test_a_child_runs_under_the_servers_own_python() -> None:
    assert python_command("headswap.x") == (sys.executable, "-m", "headswap.x")


def test_threads_are_held_to_a_number_or_left_alone() -> None:
    assert set(thread_environment(2).values()) == {"2"}
    assert thread_environment(0) == {}


def test_the_pools_of_numpy_stay_frugal_in_a_child_that_has_many_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)

    assert child_environment(thread_environment(8))["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize("module", ["runner", "local", "environment"])
def test_importing_a_runner_loads_neither_torch_nor_gradio(module: str) -> None:
    code = f"import sys, headswap.app.processes.{module}; "
    code += "sys.exit(bool({'torch', 'gradio'} & set(sys.modules)))"

    assert (
        subprocess.run([sys.executable, "-c", code], env=child_environment({}), check=False).returncode == 0
    )


def test_a_child_writes_its_log_in_utf_8_whatever_this_machine_would_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")

    said = subprocess.run(
        [sys.executable, "-c", "print('Łódź'); print('\\udc80')"],
        env=child_environment({}),
        capture_output=True,
        check=True,
    )

    assert said.stdout.decode("utf-8").split() == ["Łódź", "\\udc80"]
