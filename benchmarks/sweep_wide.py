"""Find the blocks of every architecture and put a head on it that reads them, or hear why not.

    python -m benchmarks.sweep_wide                             everything, resumed where it stopped
    python -m benchmarks.sweep_wide --zoos timm --only 'vit_*' --minutes 20 --table docs/heads-sweep.md
    python -m benchmarks.sweep_wide --numbers --minutes 10 --out docs/benchmarks/sweep-wide.jsonl

One line of JSON per architecture goes to --out, at once; a second start goes on. The first architecture of
every family comes first, so that an unfinished sweep says most. --table replaces the section "Wide heads" of
that file and leaves the rest.

Proved, on meta tensors: the detector of heads, which knows nothing of wide ones, finds in the widened network
the new layer as its only head, by what autograd recorded; the network answers one row of seven numbers an
image; and it reads no more than headswap.heads.wide.MOST_FEATURES. Up to --real-mb megabytes of weights also
with numbers: the network is really built, all its parameters are moved by chance, and what reaches the wide
head is compared with what benchmarks/wide_oracle.py computes from hooks of its own, in float64. --numbers
does only this, for architectures of --out that were proved on meta tensors alone: the quickest of each family
first, then the others.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from benchmarks.architectures import BUILDERS, NotBuildable, names_of
from benchmarks.sweep_heads import ROOT
from benchmarks.wide_oracle import disagreements

CLASSES = 7
MOVED = 0.02  # standard deviation of what is added to each parameter
TITLE = "## Wide heads"


@dataclass(frozen=True, kw_only=True)
class Line:
    """What became of one architecture."""

    zoo: str
    name: str
    state: str  # proved, refused (in words), skipped (no classifier or not buildable), wrong
    words: str = ""
    blocks: int = 0
    features: int = 0  # that the wide head reads
    layouts: tuple[str, ...] = ()
    real: bool = False  # its numbers were compared too
    seconds: float = 0.0


def sweep_one(zoo: str, name: str, real_bytes: float) -> Line:
    from headswap.errors import HeadNotFound, HeadswapError

    begin = time.perf_counter()
    try:
        module = BUILDERS[zoo](name, 1000).eval()
        network, site = _with_site(module, name)
    except NotBuildable as error:
        return Line(zoo=zoo, name=name, state="skipped", words=str(error))
    except HeadNotFound as error:
        return Line(zoo=zoo, name=name, state="skipped", words=str(error))
    except Exception as error:  # noqa: BLE001  (one broken architecture must not end the sweep; it is reported)
        return Line(zoo=zoo, name=name, state="wrong", words=f"{type(error).__name__}: {error}"[:300])
    try:
        return _proved(zoo, name, network, site, real_bytes, begin)
    except HeadswapError as refusal:
        return Line(zoo=zoo, name=name, state="refused", words=str(refusal))
    except Exception as error:  # noqa: BLE001  (the same)
        return Line(zoo=zoo, name=name, state="wrong", words=f"{type(error).__name__}: {error}"[:300])


def _with_site(module: Any, name: str) -> tuple[Any, Any]:
    from headswap.heads.detect import find_head
    from headswap.network import InputSpec, Network, NetworkCard, Weights

    site = find_head(module)
    channels, height, width = site.input_size
    spec = InputSpec(channels=channels, height=height, width=width)
    card = NetworkCard(name=name, zoo="sweep", input=spec, weights=Weights(state="not available"))
    return Network(card=card, module=module), site


def _proved(zoo: str, name: str, network: Any, site: Any, real_bytes: float, begin: float) -> Line:
    import torch

    from headswap.heads.detect import find_head
    from headswap.heads.wide import HEAD, MOST_FEATURES, find_taps, widen

    taps = find_taps(network, site)
    wide, where = widen(network, site, taps, CLASSES)
    problems = []
    found = find_head(wide.module)
    if found.paths != (HEAD,):
        problems.append(f"the head of the widened network is found at {found.paths}")
    with torch.inference_mode():
        shape = tuple(wide.module(torch.empty(2, *site.input_size, device="meta")).shape)
    if shape != (2, CLASSES):
        problems.append(f"it answers {shape}")
    if sum(where.in_features) > MOST_FEATURES:
        problems.append(f"it reads {sum(where.in_features)} features")
    real = _weight_bytes(network.module) <= real_bytes
    if real:
        problems += _with_numbers(zoo, name)
    return Line(
        zoo=zoo, name=name, state="wrong" if problems else "proved", words="; ".join(problems),
        blocks=len(taps), features=sum(where.in_features),
        layouts=tuple(sorted({tap.layout for tap in taps})),
        real=real, seconds=round(time.perf_counter() - begin, 2),
    )  # fmt: skip


def _weight_bytes(module: Any) -> int:
    return sum(4 * value.numel() for value in module.parameters())


def _with_numbers(zoo: str, name: str) -> list[str]:
    """What the wide head of a really built network reads, against an oracle."""
    import torch

    from headswap.heads.wide import find_taps, widen

    torch.manual_seed(0)
    module = _really_built(zoo, name).eval()
    with torch.no_grad():
        for value in module.parameters():  # also those that begin at zero, where a block would do nothing
            if value.is_floating_point():
                value.add_(torch.randn_like(value), alpha=MOVED)
    inside = dict(module.named_parameters())
    network, site = _with_site(module, name)
    wide, _ = widen(network, site, find_taps(network, site), CLASSES)
    widened: Any = wide.module
    problems = disagreements(module, widened, torch.randn(2, *site.input_size))
    if any(inside[name] is not value for name, value in widened.body.named_parameters()):
        problems.append("a parameter of the network inside was changed")
    return problems


def _really_built(zoo: str, name: str) -> Any:
    """With memory and the numbers that its library draws; counts and positions as its own code sets them."""
    if zoo == "timm":
        import timm

        return timm.create_model(name, num_classes=1000)
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    draws = "init_weights" in signature(builder).parameters or name in ("googlenet", "inception_v3")
    return builder(weights=None, num_classes=1000, **({"init_weights": False} if draws else {}))


def compare_later(line: dict[str, Any], real_bytes: float) -> dict[str, Any]:
    """The same line after its numbers were compared; as it was, where the network is too large for that."""
    zoo, name = line["zoo"], line["name"]
    try:
        if _weight_bytes(BUILDERS[zoo](name, 1000)) > real_bytes:
            return line
        problems = _with_numbers(zoo, name)
    except Exception as error:  # noqa: BLE001  (one broken architecture must not end the sweep; it is reported)
        return line | {"state": "wrong", "words": f"{type(error).__name__}: {error}"[:300]}
    return line | {"real": True} | ({"state": "wrong", "words": "; ".join(problems)} if problems else {})


# --- all of them ------------------------------------------------------------------------------


def ordered(jobs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first of each family (what its builder's file or its first word says) before all others."""
    first: list[tuple[str, str]] = []
    rest: list[tuple[str, str]] = []
    families: set[tuple[str, str]] = set()
    for zoo, name in jobs:
        family = zoo, _family(zoo, name)
        (rest if family in families else first).append((zoo, name))
        families.add(family)
    return first + rest


def _family(zoo: str, name: str) -> str:
    if zoo == "timm":
        from timm.models import model_entrypoint

        return str(model_entrypoint(name).__module__)
    return name.split("_")[0].rstrip("0123456789")


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    for text in file.read_text().splitlines() if file.exists() else ():
        try:
            yield json.loads(text)
        except ValueError:  # torn by a power cut
            continue


def table(lines: Sequence[dict[str, Any]], total: dict[str, int]) -> str:
    from importlib.metadata import version

    compared = [(line["zoo"], line["name"]) for line in lines if line["real"]]
    families = {(zoo, _family(zoo, name)) for zoo, name in compared}
    words = (
        "Written by `benchmarks/sweep_wide.py`: the blocks of each architecture are found, and a head that "
        "reads them is put on and proved on meta tensors (shapes, and that it is the only head), or refused. "
        f"Of {len(compared)}, small ones from {len(families)} families, numbers were compared too: the "
        "network was really built, its parameters were moved by chance, and what reached the wide head was "
        "what hooks of the benchmark's own caught, pooled in float64 by `benchmarks/wide_oracle.py`. "
        '[Every architecture](benchmarks/sweep-wide.jsonl) that was tried, with `"real": true` where numbers '
        "were compared."
    )
    columns = (
        "library", "architectures", "tried", "proved", "refused in words", "no classifier, or not buildable",
        "wrong", "numbers compared", "blocks, median",
    )  # fmt: skip
    text = [TITLE, "", words, "", f"| {' | '.join(columns)} |", "|---|" + "--:|" * (len(columns) - 1)]
    for zoo, count in total.items():
        own = [line for line in lines if line["zoo"] == zoo]
        states = Counter(line["state"] for line in own)
        blocks = sorted(line["blocks"] for line in own if line["state"] == "proved")
        cells = [zoo, count, len(own), *(states[one] for one in ("proved", "refused", "skipped", "wrong"))]
        cells += [sum(line["real"] for line in own), blocks[len(blocks) // 2] if blocks else ""]
        text.append("| " + " | ".join(map(str, cells)) + " |")
    text += [
        "",
        f"With torch {version('torch')}, torchvision {version('torchvision')}, timm {version('timm')}.",
        "",
    ]
    for state, words in (("refused", "Refused"), ("wrong", "Wrong")):
        own = [line for line in lines if line["state"] == state]
        text += [f"{words}:", ""] * bool(own)
        text += [f"- `{line['zoo']}/{line['name']}`: {line['words']}" for line in own] + [""] * bool(own)
    return "\n".join(text).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--zoos", default="torchvision,timm", help="which libraries, with commas between")
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--out", type=Path, default=ROOT / "workspace" / "sweep_wide.jsonl")
    parser.add_argument("--real-mb", type=float, default=40.0, help="of weights that get numbers")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin nothing new after so many")
    parser.add_argument("--table", type=Path, help="a file whose section of wide heads is replaced")
    parser.add_argument("--numbers", action="store_true", help="only compare numbers of what is in --out")
    choices = parser.parse_args()
    warnings.simplefilter("ignore")
    choices.out.parent.mkdir(parents=True, exist_ok=True)
    for line in _numbers(choices) if choices.numbers else _sweep(choices):
        with choices.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        words = f"{line['state']}, {line['blocks']} blocks {line['words']}"
        print(f"{line['zoo']}/{line['name']}: {words}", flush=True)
    if choices.numbers:  # each once again
        newest = {(line["zoo"], line["name"]): line for line in read_lines(choices.out)}
        choices.out.write_text("".join(f"{json.dumps(line)}\n" for line in newest.values()))
    zoos = choices.zoos.split(",")
    lines = [line for line in read_lines(choices.out) if line["zoo"] in zoos]
    written = table(lines, {zoo: len(names_of(zoo)) for zoo in zoos})
    print(written)
    if choices.table:
        before = choices.table.read_text().partition(f"\n{TITLE}\n")[0].rstrip()
        choices.table.write_text(f"{before}\n\n{written}")
    return 1 if any(line["state"] == "wrong" for line in lines) else 0


def _sweep(choices: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Lines of the architectures that have none yet."""
    end = time.monotonic() + 60 * choices.minutes
    known = {(line["zoo"], line["name"]) for line in read_lines(choices.out)}
    jobs = [(zoo, name) for zoo in choices.zoos.split(",") for name in names_of(zoo)]
    for zoo, name in ordered(jobs):
        if time.monotonic() > end:
            return
        if (zoo, name) not in known and fnmatch.fnmatch(name, choices.only):
            yield asdict(sweep_one(zoo, name, choices.real_mb * 1e6))


def _numbers(choices: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Lines of architectures that were proved on meta tensors alone, after their numbers were compared."""
    end = time.monotonic() + 60 * choices.minutes
    zoos = choices.zoos.split(",")
    lines = {
        (line["zoo"], line["name"]): line
        for line in sorted(read_lines(choices.out), key=lambda line: line["seconds"])
        if line["zoo"] in zoos and line["state"] == "proved" and fnmatch.fnmatch(line["name"], choices.only)
    }
    for job in ordered(job for job, line in lines.items() if not line["real"]):
        if time.monotonic() > end:
            return
        later = compare_later(lines[job], choices.real_mb * 1e6)
        if later != lines[job]:
            yield later


if __name__ == "__main__":
    sys.exit(main())
