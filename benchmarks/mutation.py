"""How many small faults the tests notice: a sample of mutants of each package, by cosmic-ray.

    pip install cosmic-ray
    python benchmarks/mutation.py heads training evaluation data jobs --mutants 40 --minutes 60

A mutant is the code with one operator, number or decision changed. Places are drawn at random with a seed,
one change at each, and tried on a copy of the tree with the tests that mirror the module; where there are
none, with those of its package that import it, else with all of its package. Slow and browser tests are left
out, so the score is a lower bound. A mutant that is not noticed is printed: some are real holes, some change
nothing that can be seen.

cosmic-ray may live in an environment of its own: `--python` names the one that runs the tests. Time is
counted on the processor, so that other work on the machine changes no result. Not for Windows.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]
TREE = ("headswap", "tests", "assets", "app.py", "pyproject.toml")
# Annotations (`int | None`) are never evaluated, and a decorator or a name is not a decision.
NOT_TRIED = ("BitOr", "RemoveDecorator", "VariableInserter", "VariableReplacer", "NoOp")
LONGEST_BASELINE_S = 60  # on the processor; tests of one module that take longer are too many for a sample
SLACK_S = 20  # on the processor, on top of three times the baseline, before a mutant counts as one that hangs
LONGEST_WAIT_S = 900.0  # by the clock, for one that hangs asleep


@dataclass(frozen=True)
class Mutant:
    """One change at one place."""

    module: str  # relative to the root
    operator: str
    occurrence: int
    line: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("packages", nargs="+", help="folders in headswap/")
    parser.add_argument("--mutants", type=int, default=40, help="of each package, at most")
    parser.add_argument("--minutes", type=float, default=60, help="for all of it; what is left is not tried")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the tests")
    choices = parser.parse_args()
    end = time.monotonic() + choices.minutes * 60
    drawn = [draw(package, choices.mutants, choices.seed) for package in choices.packages]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_tree(Path(folder))
        seconds: dict[str, int | None] = {}
        for turn in zip_longest(*drawn):  # every package gets on, however short the time
            for package, mutant in zip(choices.packages, turn, strict=True):
                if mutant is None or time.monotonic() > end:
                    continue
                if mutant.module not in seconds:
                    seconds[mutant.module] = baseline(tree, mutant.module, choices.python)
                told, changed = tried(tree, mutant, seconds[mutant.module], choices.python)
                counts[package][told] += 1
                print(f"{told:10} {mutant.module}:{mutant.line} {mutant.operator}", flush=True)
                if told == "survived":
                    print(changed, flush=True)
    print("\n".join(table(counts)))


def draw(package: str, how_many: int, seed: int) -> list[Mutant]:
    """Places of a package in random order, each with one of the changes that are possible there."""
    places: dict[tuple[str, tuple[int, int]], list[Mutant]] = defaultdict(list)
    for path in sorted((ROOT / "headswap" / package).rglob("*.py")):
        for mutant, start in mutants_of(path):
            places[mutant.module, start].append(mutant)
    chance = random.Random(f"{seed} {package}")
    some = chance.sample(sorted(places), min(how_many, len(places)))
    return [chance.choice(places[place]) for place in some]


def mutants_of(path: Path) -> Iterator[tuple[Mutant, tuple[int, int]]]:
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    tree, module = get_ast_from_path(path), path.relative_to(ROOT).as_posix()
    lines = path.read_text(encoding="utf-8").splitlines()
    for name in operator_names():
        if any(word in name for word in NOT_TRIED) or get_operator(name).arguments():
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in ast_nodes(tree):
            for start, _ in operator.mutation_positions(node):
                if not lines[start[0] - 1].lstrip().startswith("@"):  # how a record is made decides nothing
                    yield Mutant(module, name, occurrence, start[0]), start
                occurrence += 1


def copy_tree(folder: Path) -> Path:
    """The tree as it is now, with the data sets next to it when there are any."""
    tree = folder / "headswap"
    tree.mkdir()
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (folder / "shared").symlink_to(shared)
    return tree


def tests_of(tree: Path, module: str) -> list[str]:
    """The tests that mirror a module; else those of its package that import it; else all of the package."""
    path = Path(module)
    mirror = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    if (tree / mirror).is_file():
        return [str(mirror)]
    dotted, parent = ".".join(path.with_suffix("").parts), ".".join(path.parts[:-1])
    names = (f"{dotted} import", f"import {dotted}\n", f"from {parent} import {path.stem}\n")
    package = Path("tests", path.parts[1])
    found = sorted((tree / package).rglob("test_*.py"))
    own = [str(test.relative_to(tree)) for test in found if any(name in test.read_text() for name in names)]
    return own or [str(package)]


def run_tests(tree: Path, module: str, python: str, cpu_s: int) -> str:
    """ "survived", "killed", or "timeout"."""
    tests = tests_of(tree, module)
    command = [python, "-B", "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider",
               "-m", "not slow and not browser", *tests]  # fmt: skip

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))

    try:
        done = subprocess.run(
            command, cwd=tree, capture_output=True, timeout=LONGEST_WAIT_S, check=False, preexec_fn=limit
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout"
    return "survived" if done.returncode == 0 else "killed"


def baseline(tree: Path, module: str, python: str) -> int | None:
    """Processor seconds of a module's tests as the code stands; None: they fail, or are too many."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run_tests(tree, module, python, LONGEST_BASELINE_S) != "survived":
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) + 1


def tried(tree: Path, mutant: Mutant, seconds: int | None, python: str) -> tuple[str, str]:
    """What the tests made of a mutant, and how it differs."""
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    if seconds is None:
        return "untested", ""
    with use_mutation(tree / mutant.module, get_operator(mutant.operator)(), mutant.occurrence) as (old, new):
        before, after = (text.splitlines() for text in (old, new))
        told = run_tests(tree, mutant.module, python, 3 * seconds + SLACK_S)
    lines = [f"    - {a.strip()}\n    + {b.strip()}" for a, b in zip(before, after, strict=False) if a != b]
    return told, "\n".join(lines[:3])


def table(counts: dict[str, Counter[str]]) -> Iterator[str]:
    yield "| package | tried | noticed | of these by time | survived | score | no quick test |"
    yield "|---|---|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for package, told in counts.items():
        total += told
        yield _row(package, told)
    yield _row("**all**", total)


def _row(name: str, told: Counter[str]) -> str:
    noticed = told["killed"] + told["timeout"]
    judged = noticed + told["survived"]
    score = f"{noticed / judged:.0%}" if judged else "-"
    cells = (name, judged, noticed, told["timeout"], told["survived"], score, told["untested"])
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
