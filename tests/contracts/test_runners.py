"""What every runner must do, whatever machine it starts workers on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headswap.app.processes.local import LocalRunner
from headswap.app.processes.runner import Runner

RUNNERS: tuple[Callable[[], Runner], ...] = (LocalRunner,)

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
SERVER = """
import sys
from pathlib import Path
from headswap.app.processes.local import LocalRunner
handle = LocalRunner().start([sys.executable, "-c", {child!r}], log=Path({log!r}), environment={{}})
print(handle, flush=True)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


class Bench:
    """One runner, and everything it started."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.runner, self.log, self.handles = runner, folder / "deep" / "log.txt", []  # type: ignore[var-annotated]

    def start(self, code: str, **environment: str) -> str:
        handle = self.runner.start([sys.executable, "-c", code], log=self.log, environment=environment)
        self.handles.append(handle)
        return handle

    def wait_for_word(self, word: str) -> None:
        self.wait(lambda: self.log.exists() and word in self.log.read_text())

    def wait_for_end(self, handle: str) -> None:
        self.wait(lambda: not self.runner.is_alive(handle))

    def wait(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 600
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture(params=RUNNERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(request.param(), tmp_path)
    yield bench
    for handle in bench.handles:
        bench.runner.stop(handle, force=True)
    for handle in bench.handles:
        bench.wait_for_end(handle)


def test_a_started_command_is_alive_until_it_ends(bench: Bench) -> None:
    handle = bench.start("print('done')")

    bench.wait_for_end(handle)

    assert bench.log.read_text() == "done\n"


def test_what_a_command_says_on_both_streams_is_added_to_its_log(bench: Bench) -> None:
    bench.wait_for_end(bench.start("print('first')"))
    bench.wait_for_end(bench.start("import sys; print('second', file=sys.stderr)"))

    assert bench.log.read_text() == "first\nsecond\n"


def test_a_command_gets_the_given_variables_on_top_of_the_servers(bench: Bench) -> None:
    code = "import os; print(os.environ['GIVEN'], 'PATH' in os.environ)"

    bench.wait_for_end(bench.start(code, GIVEN="yes"))

    assert bench.log.read_text() == "yes True\n"


def test_a_command_finds_headswap_from_any_folder(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    bench.wait_for_end(bench.start("import headswap.errors; print('found')"))

    assert bench.log.read_text() == "found\n"


def test_a_polite_stop_ends_a_polite_command(bench: Bench) -> None:
    handle = bench.start(SLEEP)
    bench.wait_for_word("up")

    bench.runner.stop(handle, force=False)

    bench.wait_for_end(handle)


def test_a_stubborn_command_ends_only_by_force(bench: Bench) -> None:
    handle = bench.start(STUBBORN)
    bench.wait_for_word("up")

    bench.runner.stop(handle, force=False)
    survived = bench.runner.is_alive(handle)
    bench.runner.stop(handle, force=True)

    assert survived
    bench.wait_for_end(handle)


def test_force_ends_the_children_of_a_command_too(bench: Bench) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time\\nwhile True:\\n"
        ' print("tick", flush=True)\\n time.sleep(.02)\'])\n'
        "time.sleep(600)"
    )
    handle = bench.start(code)
    bench.wait_for_word("tick")

    bench.runner.stop(handle, force=True)
    bench.wait_for_end(handle)

    def is_silent() -> bool:
        size = bench.log.stat().st_size
        time.sleep(0.2)
        return bench.log.stat().st_size == size

    bench.wait(is_silent)


def test_stopping_twice_or_too_late_is_no_error(bench: Bench) -> None:
    handle = bench.start("pass")
    bench.wait_for_end(handle)

    bench.runner.stop(handle, force=False)
    bench.runner.stop(handle, force=True)

    assert not bench.runner.is_alive(handle)


def test_a_handle_means_the_same_process_to_another_runner(bench: Bench) -> None:
    handle = bench.start(SLEEP)
    later = type(bench.runner)()

    assert later.is_alive(handle)
    later.stop(handle, force=True)
    bench.wait_for_end(handle)


def test_a_command_goes_on_when_its_server_is_killed(bench: Bench, tmp_path: Path) -> None:
    place = tmp_path / "server.txt"
    code = SERVER.format(child=SLEEP, log=str(bench.log))
    server = bench.runner.start([sys.executable, "-c", code], log=place, environment={})
    bench.handles.append(server)
    bench.wait_for_end(server)
    handle = place.read_text().strip()
    bench.handles.append(handle)

    bench.wait_for_word("up")

    assert bench.runner.is_alive(handle)


@pytest.mark.parametrize(
    "handle", ["", "nonsense", "0:", "1:", "999999999:1", "-1:x", "1:not the birth of 1"]
)
def test_a_handle_of_no_living_process_is_dead_and_harmless(bench: Bench, handle: str) -> None:
    bench.runner.stop(handle, force=True)

    assert not bench.runner.is_alive(handle)


def test_a_command_that_does_not_exist_is_an_error_at_once(bench: Bench) -> None:
    with pytest.raises(OSError):
        bench.runner.start(["/no/such/program"], log=bench.log, environment={})
