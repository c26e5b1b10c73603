"""Find, swap, prove and undo the head of every architecture that can be built here.

    python -m benchmarks.sweep_heads                      everything, resumed where it stopped
    python -m benchmarks.sweep_heads --zoos torchvision --only 'resnet*' --fresh

One line of JSON per architecture goes to --out; at the end a table, written to --table too,
and exit code 1 if any architecture failed.

The judge shares no code with the detector: an architecture is built with two class counts,
and the parameters whose shapes differ are its head. Where ../shared/oracle/heads.json lies
next to the checkout, it must agree as well. Everything is built on meta tensors; up to 4 GB a
second copy with real memory shows that find, swap and undo leave every other bit alone.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import multiprocessing
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.architectures import BUILDERS, NotBuildable, names_of

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT.parent / "shared" / "oracle" / "heads.json"
COUNTS = (1, 7)  # classes that each head is swapped to
REAL_LIMIT_BYTES = 4e9
ZOOS = ("torchvision", "quantization", "timm", "transformers")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What became of one architecture."""

    zoo: str
    name: str
    state: str  # right, refused (rightly), skipped (cannot be built), wrong
    words: str = ""  # why it was refused, skipped or wrong
    paths: tuple[str, ...] = ()
    aux_paths: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    parameters: int = 0
    real: bool = False  # bit-identity shown with real memory, not on meta tensors alone
    metadata_agrees: bool | None = None
    build_s: float = 0.0
    find_s: float = 0.0
    swap_s: float = 0.0  # one swap with its proof


def main() -> int:
    arguments = _arguments()
    out = Path(arguments.out)
    if arguments.fresh:
        out.unlink(missing_ok=True)
    known = {(line["zoo"], line["name"]) for line in _lines(out)}
    wanted = [
        (zoo, name)
        for zoo in arguments.zoos.split(",")
        for name in names_of(zoo)
        if fnmatch.fnmatch(name, arguments.only)
    ]
    waiting = [job for job in wanted if job not in known]
    print(f"{len(wanted)} architectures, {len(waiting)} to do", flush=True)
    with out.open("a") as file:
        for number, line in enumerate(_swept(waiting, arguments.processes), 1):
            file.write(json.dumps(asdict(line)) + "\n")
            file.flush()
            print(f"{number}/{len(waiting)} {line.zoo}/{line.name}: {line.state} {line.words}", flush=True)
    asked = set(wanted)
    lines = [line for line in _lines(out) if (line["zoo"], line["name"]) in asked]
    table = _table(lines)
    print(table)
    if arguments.table:
        page = Path(arguments.table)
        _, mark, wide = (page.read_text() if page.exists() else "").partition("\n## Wide heads\n")
        page.write_text(table + mark + wide)  # that section is written by sweep_wide.py
    return 1 if any(line["state"] == "wrong" for line in lines) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--zoos", default=",".join(ZOOS), help="which libraries, with commas between")
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", default=str(ROOT / "workspace" / "sweep_heads.jsonl"))
    parser.add_argument("--table", default="", help="file for the table, such as docs/heads-sweep.md")
    parser.add_argument("--fresh", action="store_true", help="forget earlier lines")
    arguments = parser.parse_args()
    Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    return arguments


def _lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in out.read_text().splitlines()] if out.exists() else []


def _swept(jobs: list[tuple[str, str]], processes: int) -> Iterator[Line]:
    if processes == 1:
        yield from map(sweep_one, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=100) as pool:
        yield from pool.imap_unordered(sweep_one, jobs)


# --- one architecture -------------------------------------------------------------------------


def sweep_one(job: tuple[str, str]) -> Line:
    """Build, judge, find, swap and undo one architecture."""
    import torch

    zoo, name = job
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    try:
        return _swept_network(zoo, name)
    except NotBuildable as error:
        return Line(zoo=zoo, name=name, state="skipped", words=str(error))
    except Exception as error:  # noqa: BLE001  (one broken architecture must not end the sweep; it is reported)
        return Line(zoo=zoo, name=name, state="wrong", words=f"{type(error).__name__}: {error}"[:300])


def _swept_network(zoo: str, name: str) -> Line:
    from headswap.errors import HeadNotFound

    build = BUILDERS[zoo]
    start = time.perf_counter()
    network = build(name, 1000)
    build_s = time.perf_counter() - start
    truth = _differing(network, build(name, 9))
    parameters = sum(value.numel() for value in network.parameters())
    real = parameters * 4 <= REAL_LIMIT_BYTES
    start = time.perf_counter()
    try:
        site = _found(network, real)
    except HeadNotFound as refusal:
        state = "wrong" if truth else "refused"
        return Line(zoo=zoo, name=name, state=state, words=str(refusal), parameters=parameters)
    find_s = time.perf_counter() - start
    found = _parameters_at(network, (*site.all_paths, *site.tail_paths))
    problems = [] if found == truth else [f"found {sorted(found)}, not {sorted(truth)}"]
    problems += _against_file(zoo, name, site)
    if real:
        _fill(network)
    start = time.perf_counter()
    problems += _swapped_and_undone(network, site, truth, real)
    return Line(
        zoo=zoo,
        name=name,
        state="wrong" if problems else "right",
        words="; ".join(problems),
        paths=site.paths,
        aux_paths=site.aux_paths,
        kinds=tuple(layer.kind for layer in site.layers),
        parameters=parameters,
        real=real,
        metadata_agrees=site.metadata_agrees,
        build_s=build_s,
        find_s=find_s,
        swap_s=(time.perf_counter() - start) / len(COUNTS),
    )


def _differing(one: Any, other: Any) -> set[str]:
    """The judge: names of parameters whose shape depends on the class count."""
    shapes = {name: value.shape for name, value in other.named_parameters()}
    return {name for name, value in one.named_parameters() if value.shape != shapes[name]}


def _parameters_at(network: Any, paths: Iterable[str]) -> set[str]:
    places = tuple(paths)
    return {
        name
        for name, _ in network.named_parameters()
        if any(name == place or name.startswith(f"{place}.") for place in places)
    }


def _found(network: Any, real: bool) -> Any:
    """The site; with real memory where the network reads numbers from tensors on its way."""
    from headswap.errors import HeadNotFound
    from headswap.heads.detect import find_head

    try:
        return find_head(network)
    except HeadNotFound as refusal:
        if not real or "meta tensors" not in str(refusal):
            raise
    _fill(network)
    return find_head(network)


def _against_file(zoo: str, name: str, site: Any) -> list[str]:
    """Compare with the list that lies next to the checkout, where it does."""
    if zoo not in ("torchvision", "timm") or not ORACLE.exists():
        return []
    known = json.loads(ORACLE.read_text())[zoo].get(name)
    if known is None:
        return []
    stated = (sorted(known["heads"]), sorted(known["aux"]))
    found = (sorted(site.paths), sorted(site.aux_paths))
    return [] if stated == found else [f"the list says {stated}, found {found}"]


def _fill(network: Any) -> None:
    """Real memory with known numbers: tensor number n holds n % 251 everywhere."""
    network.to_empty(device="cpu")
    for number, value in enumerate([*network.parameters(), *network.buffers()]):
        value.data.fill_(number % 251 if value.dtype.is_floating_point else number % 2)


def _swapped_and_undone(network: Any, site: Any, truth: set[str], real: bool) -> list[str]:
    from headswap.heads.swap import swap_head

    problems = []
    objects = dict([*network.named_parameters(), *network.named_buffers()])
    modes = [part.training for part in network.modules()]
    for count in COUNTS:
        record = swap_head(network, count, site=site)
        now = dict([*network.named_parameters(), *network.named_buffers()])
        moved = {name for name in objects if now[name] is not objects[name]}
        if moved & {name for name, _ in network.named_parameters()} != truth:
            problems.append(f"with {count} classes other parameters moved: {sorted(moved ^ truth)[:4]}")
        if any(count not in now[name].shape for name in truth):
            problems.append(f"not every head has {count} classes")
        record.undo()
        back = dict([*network.named_parameters(), *network.named_buffers()])
        if any(back[name] is not value for name, value in objects.items()):
            problems.append("undo did not bring back the same tensors")
    if modes != [part.training for part in network.modules()]:
        problems.append("modes were changed")
    if real:
        problems += _changed_numbers(network)
    return problems


def _changed_numbers(network: Any) -> list[str]:
    changed = []
    for number, value in enumerate([*network.parameters(), *network.buffers()]):
        expected = number % 251 if value.dtype.is_floating_point else number % 2
        if value.numel() and not bool((value == expected).all()):
            changed.append(f"tensor {number} of shape {tuple(value.shape)} has changed")
    return changed[:3]


# --- the table --------------------------------------------------------------------------------


def _table(lines: list[dict[str, Any]]) -> str:
    text = ["# The head of every architecture", "", "Written by `benchmarks/sweep_heads.py`.", ""]
    text += [
        "| library | architectures | right | rightly refused | not buildable | wrong | several heads "
        "| bits compared | find, median | find, 95 % | swap and proof, median |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for zoo in ZOOS:
        own = [line for line in lines if line["zoo"] == zoo]
        if own:
            text.append(_row(zoo, own))
    text += ["", _versions(), "", *_section("Wrong", lines, "wrong"), *_section("Refused", lines, "refused")]
    text += _section("Not buildable here", lines, "skipped")
    text += _meta_only(lines)
    return "\n".join(text) + "\n"


def _row(zoo: str, own: list[dict[str, Any]]) -> str:
    states = [line["state"] for line in own]
    found = sorted(line["find_s"] for line in own if line["find_s"])
    swaps = [line["swap_s"] for line in own if line["swap_s"]]
    cells = [
        zoo,
        len(own),
        *(states.count(state) for state in ("right", "refused", "skipped", "wrong")),
        sum(len(line["paths"]) + len(line["aux_paths"]) > 1 for line in own),
        sum(line["real"] for line in own),
        f"{statistics.median(found):.2f} s" if found else "",
        f"{found[int(len(found) * 0.95)]:.2f} s" if found else "",
        f"{statistics.median(swaps):.2f} s" if swaps else "",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _section(title: str, lines: list[dict[str, Any]], state: str) -> list[str]:
    own = [line for line in lines if line["state"] == state]
    if not own:
        return []
    return [f"## {title}", "", *(f"- `{line['zoo']}/{line['name']}`: {line['words']}" for line in own), ""]


def _meta_only(lines: list[dict[str, Any]]) -> list[str]:
    own = [line for line in lines if line["state"] == "right" and not line["real"]]
    if not own:
        return []
    named = (f"`{line['name']}` ({line['parameters'] * 4 / 1e9:.1f} GB)" for line in own)
    words = (
        "Over 4 GB: found, swapped and proved on meta tensors; bits are compared on their smaller siblings."
    )
    return ["## On meta tensors alone", "", words, "", ", ".join(named) + ".", ""]


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("torch", "torchvision", "timm", "transformers"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    counts = " and ".join(map(str, COUNTS))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    return f"With {', '.join(found)}; swapped to {counts} classes; largest process {memory:.1f} GB."


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
