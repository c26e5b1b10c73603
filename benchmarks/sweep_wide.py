"""Find the blocks of every architecture and put a head on it that reads them, or hear why not.

    python -m benchmarks.sweep_wide                             everything, resumed where it stopped
    python -m benchmarks.sweep_wide --zoos timm --only 'vit_*' --minutes 20 --table docs/heads-sweep.md

One line of JSON per architecture goes to --out, at once; a second start goes on. The first architecture of
every family comes first, so that an unfinished sweep says most. --table replaces the section "Wide heads" of
that file and leaves the rest.

Proved, on meta tensors: the detector of heads, which knows nothing of wide ones, finds in the widened network
the new layer as its only head, by what autograd recorded; the network answers one row of seven numbers an
image; and it reads no more than headswap.heads.wide.MOST_FEATURES. Up to --real-mb megabytes of weights also
with numbers, drawn by chance: the answer is the new layer applied to features caught apart from it, and all
parameters of the network inside are the very ones that it had.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.sweep_heads import BUILDERS, ROOT, NotBuildable, _names

CLASSES = 7
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
    real: bool = False  # with numbers too
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
    size = sum(4 * value.numel() for value in network.module.parameters())
    real = size <= real_bytes
    if real:
        problems += _with_numbers(network, wide.module)
    return Line(
        zoo=zoo, name=name, state="wrong" if problems else "proved", words="; ".join(problems),
        blocks=len(taps), features=sum(where.in_features),
        layouts=tuple(sorted({tap.layout for tap in taps})),
        real=real, seconds=round(time.perf_counter() - begin, 2),
    )  # fmt: skip


def _with_numbers(network: Any, wide: Any) -> list[str]:
    """The answer against features caught by hooks of this file's own."""
    import torch

    wide.to_empty(device="cpu")
    torch.manual_seed(0)
    for value in [*wide.parameters(), *wide.buffers()]:
        if value.dtype.is_floating_point:
            value.data.normal_(0, 0.05).abs_() if value.dim() < 2 else value.data.normal_(0, 0.05)
        else:
            return []  # counts and positions that only its own code can set
    inside = dict(network.module.named_parameters())
    caught: list[Any] = []
    hook = wide.head.register_forward_pre_hook(lambda _, arguments: caught.append(arguments[0].clone()))
    images = torch.randn(2, *wide.site.input_size)
    with torch.inference_mode():
        answer = wide(images)
        hook.remove()
        features = wide.features(images).to(wide.head.weight.dtype)
        expected = features @ wide.head.weight.T + wide.head.bias
    problems = []
    if not torch.allclose(answer, expected, rtol=1e-4, atol=1e-4, equal_nan=True):
        problems.append("the answer is not that of the new layer on the features of all blocks")
    if any(inside[name] is not value for name, value in wide.body.named_parameters()):
        problems.append("a parameter of the network inside was changed")
    return problems


# --- all of them ------------------------------------------------------------------------------


def ordered(zoo: str) -> list[str]:
    """Names, the first of each family (what its builder's file or its first word says) before all others."""
    first: list[str] = []
    rest: list[str] = []
    families: set[str] = set()
    for name in _names(zoo):
        family = _family(zoo, name)
        (rest if family in families else first).append(name)
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

    words = (
        "Written by `benchmarks/sweep_wide.py`: the blocks of each architecture are found, and a head that "
        "reads them is put on and proved on meta tensors, small ones with numbers too; or a refusal. "
        "[Every architecture](benchmarks/sweep-wide.jsonl) that was tried."
    )
    columns = (
        "library", "architectures", "tried", "proved", "refused in words", "no classifier, or not buildable",
        "wrong", "with numbers too", "blocks, median",
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
    choices = parser.parse_args()
    warnings.simplefilter("ignore")
    choices.out.parent.mkdir(parents=True, exist_ok=True)
    zoos = choices.zoos.split(",")
    known = {(line["zoo"], line["name"]) for line in read_lines(choices.out)}
    end = time.monotonic() + 60 * choices.minutes
    for zoo in zoos:
        for name in ordered(zoo):
            if (zoo, name) in known or not fnmatch.fnmatch(name, choices.only) or time.monotonic() > end:
                continue
            line = sweep_one(zoo, name, choices.real_mb * 1e6)
            with choices.out.open("a") as file:
                file.write(json.dumps(asdict(line)) + "\n")
            print(f"{zoo}/{name}: {line.state}, {line.blocks} blocks {line.words}", flush=True)
    lines = [line for line in read_lines(choices.out) if line["zoo"] in zoos]
    written = table(lines, {zoo: len(_names(zoo)) for zoo in zoos})
    print(written)
    if choices.table:
        before = choices.table.read_text().partition(f"\n{TITLE}\n")[0].rstrip()
        choices.table.write_text(f"{before}\n\n{written}")
    return 1 if any(line["state"] == "wrong" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
