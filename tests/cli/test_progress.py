"""Progress in a shell: the real verb with a pretend terminal, for everything that may move."""

from __future__ import annotations

import io
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from headswap.cli.main import main
from headswap.cli.progress import Bars
from headswap.events import Progress, Step, text_of_step
from headswap.training.config import Depth

TINY = """
import torch
from torch import nn
from headswap.network import InputSpec, Network, NetworkCard, Weights

class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.norm = nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8)
        self.high, self.fc = nn.Conv2d(8, 12, 3, stride=2), nn.Linear(12, 7)

    def forward(self, x):
        return self.fc(self.high(self.norm(self.low(x)).relu()).relu().mean((2, 3)))

def tiny():
    torch.manual_seed(0)
    spec = InputSpec(height=24, width=24, resize_px=24)
    card = NetworkCard(name="tiny", zoo="own", input=spec, weights=Weights(state="here"))
    return Network(card=card, module=Tiny())
"""


class Terminal(io.StringIO):
    """A screen that remembers what was drawn on it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def tinted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tinted noise in two classes, hard enough that going further is worth a try."""
    folder, random = tmp_path_factory.mktemp("tinted"), np.random.default_rng(0)
    for channel, name in enumerate(("red", "green")):
        (folder / name).mkdir()
        for number in range(20):
            pixels = random.integers(0, 200, (24, 24, 3))
            pixels[..., channel] += random.integers(-30, 40)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    "depth",
    [pytest.param(one, marks=() if one == "last" else pytest.mark.thorough) for one in get_args(Depth)],
)
def test_teach_draws_its_steps_in_a_terminal_whatever_may_move(
    depth: str,
    tinted: Path,
    tmp_path: Path,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tiny_of_the_shell.py").write_text(TINY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HEADSWAP_CACHE", str(workspace))
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    model = ("--model", "tiny_of_the_shell:tiny")
    brief = ("--finetune-epochs", "1", "--finetune-confirmations", "1", "--finetune-learning-rate", "1e-3")

    code = main(["teach", str(tinted), *model, "--out", str(tmp_path / "b"), "--depth", depth, *brief])

    drawn = terminal.getvalue()
    steps: list[Step] = ["pictures", "features", "save"]
    if depth == "auto":
        steps.append("views")
    elif depth != "head":
        steps.append("finetune")
    assert code == 0, drawn
    assert all(text_of_step(step).name in drawn for step in steps)


@pytest.mark.parametrize("step", get_args(Step))
def test_every_step_has_its_words_and_its_place_on_the_bar(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    words = text_of_step(step)

    with Bars() as bars:
        bars(Progress(step, 1, 3))

    assert words.name in terminal.getvalue()
    assert words.sentence.format(done="1", total="3").endswith(".")
    assert 0 <= words.share_head[0] <= words.share_head[1] <= 1
    assert 0 <= words.share_finetune[0] <= words.share_finetune[1] <= 1


def test_a_step_of_which_nobody_knows_the_end_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())

    with Bars() as bars:
        for done in (0, 1_000, 2_000):
            bars(Progress("film", done, 0, unit="bytes"))

    assert "2.00kB" in terminal.getvalue()


def test_without_a_terminal_each_step_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        for step in ("pictures", "features", "pictures", "save"):
            bars(Progress(step, 1, 3))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "reading pictures …\nrunning the body …\nsaving …\n"
