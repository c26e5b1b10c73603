"""Two short cards for experts: no run of their own, but lines that run and verbs that do it for you.

Records only; importing this file loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from headswap.lessons.glossary import Term, terms
from headswap.lessons.lesson import Code


@dataclass(frozen=True, kw_only=True)
class ExpertCard:
    """A practice worth knowing, and the verbs of headswap that follow it."""

    name: str
    title: str
    why: tuple[str, ...]
    code: Code
    verbs: tuple[str, ...]  # lines for a shell
    terms: tuple[Term, ...] = ()


VERSIONED = ExpertCard(
    name="versions",
    title="Checkpoints with a version",
    why=(
        "A file that is written over its older self is lost when the machine stops half-way, and "
        "no one can say later which run made it.",
        "Give the saved weights a new name each time, with their number and hash, and let a small record "
        "point to the newest. headswap seals every run in a folder of its own: it is whole or it is not "
        "there, and a changed byte is noticed when it is loaded.",
    ),
    code=Code(
        before="""import hashlib, json, tempfile
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file

folder = Path(tempfile.mkdtemp())
head = torch.nn.Linear(8, 4)""",
        wrong="""for step in range(3):
    save_file(head.state_dict(), folder / "head.safetensors")
kept = len(list(folder.glob("*.safetensors")))     # 1: the other two are gone""",
        right="""for step in range(3):
    draft = folder / "draft"
    save_file(head.state_dict(), draft)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    name = f"head-{step:04}-{digest[:8]}.safetensors"
    draft.rename(folder / name)                    # whole, or not there
    (folder / "newest.json").write_text(json.dumps({"file": name, "sha256": digest}))
kept = len(list(folder.glob("*.safetensors")))     # 3
newest = json.loads((folder / "newest.json").read_text())
again = load_file(folder / newest["file"])""",
        wrong_text="one name, written over",
        right_text="a new name for each, and a record",
    ),
    verbs=(
        "headswap teach pictures/ --out mugs-1",
        "headswap teach --from mugs-1 pictures/ --out mugs-2",
        "headswap evaluate mugs-2 other-pictures/",
    ),
    terms=terms("saved weights", "record"),
)
TUNED = ExpertCard(
    name="tuning",
    title="Tuning left to a machine",
    why=(
        "Try enough settings and one of them is best in the exam by luck. The exam is then used up: its "
        "figure is too good.",
        "Choose inside the practice pictures, by folds, and sit the exam once at the end. headswap chooses "
        "the penalty of the head and how much of it may move that way, within the seconds that you give it.",
    ),
    code=Code(
        before="""import torch

torch.manual_seed(0)
labels = torch.randint(0, 2, (60,))            # coins: nothing can be learned
guesses = torch.randint(0, 2, (200, 60))       # 200 settings that guess
practice, exam = slice(0, 40), slice(40, 60)
right = (guesses == labels).float()""",
        wrong="""best = int(right[:, exam].mean(dim=1).argmax())
share = float(right[best, exam].mean())        # 0.8 and more: chosen by the exam""",
        right="""best = int(right[:, practice].mean(dim=1).argmax())
share = float(right[best, exam].mean())        # about 0.5: the exam is fresh""",
        wrong_text="the setting that is best in the exam",
        right_text="chosen in practice, examined once",
    ),
    verbs=(
        "headswap teach pictures/ --depth auto --budget 300",
        "headswap compare pictures/ --models tf_efficientnet_lite0 resnet50",
    ),
    terms=terms("settings", "folds"),
)
CARDS = (VERSIONED, TUNED)
