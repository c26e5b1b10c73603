"""The shell: exit codes, one clear sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import headswap
from headswap.cli.main import main

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("inspect", "resnet5O"), "resnet50"),
        (("teach", "/nowhere/at/all"), "/nowhere/at/all"),
        (("check", "/nowhere/at/all"), "/nowhere/at/all"),
        (("predict", "/nowhere", "x.png"), "There is no bundle at"),
        (("teach", "assets/sample/train", "--test-share", "1.5"), "test share is 1.5"),
        (("inspect", "hf-hub:somebody/network"), "hf-hub"),
    ],
)
def test_a_person_s_mistake_is_one_sentence_and_exit_code_2(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert "Traceback" not in captured.err
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("teach", "x", "--modle", "resnet50"), "Unknown option: --modle. Did you mean --model? See"),
        (("compare", "x", "--modles=a"), "Did you mean --models instead of --modles=a?"),
        (("taech", "x"), 'Did you mean "teach"?'),
        (("serve", "--for", "clas"), 'Did you mean "class"?'),
        (("predict", "b", "x", "--zzz"), "Unknown option: --zzz. See `headswap predict --help`."),
        ((), "no verb was given; choose models,"),
    ],
)
def test_a_misspelled_option_or_choice_is_answered_with_the_nearest(
    arguments: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    said = capsys.readouterr().err
    assert meant in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("module", ["headswap", "headswap.cli.main"])
def test_wrong_words_on_the_command_line_are_one_sentence_too(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "teach"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [("headswap",), ("headswap.cli.main",)])
def test_the_shell_says_its_version(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words, "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == f"headswap {headswap.__version__}\n"


def test_the_shell_starts_without_numpy_and_pillow() -> None:
    late = ("numpy", "PIL", "pydantic")
    probe = f"import sys, headswap.cli.main; print([name for name in {late} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
