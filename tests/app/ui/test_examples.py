from __future__ import annotations

from pathlib import Path

from headswap.app.ui.steps.try_it import example_strip, examples_for, examples_said
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.prediction import Prediction


def test_the_sample_set_has_examples_for_each_of_its_classes() -> None:
    names = [path.name for path in examples_for(("bird", "bug", "fruit", "vehicle"))]

    assert len(names) == 8
    assert {name.split("_")[0] for name in names} == {"bird", "bug", "fruit", "vehicle"}


def test_images_of_other_things_are_no_examples() -> None:
    assert examples_for(("mug", "pen")) == ()
    assert rendered(example_strip((), "run")) == ""


BUG = Prediction(file="x", label="bug", probabilities={"bug": 0.6})


def test_each_example_says_aloud_what_the_network_says_of_it(tmp_path: Path) -> None:
    said = rendered(examples_said((tmp_path / "bird_one.png",), (BUG,), "run", 0))

    assert 'data-spoken="Example 1: it says bug, 60\u00a0% sure"' in said
    assert 'data-chosen="0"' in said
    assert str(tmp_path) not in said


def test_answers_that_come_late_leave_the_example_that_was_pressed_meanwhile(tmp_path: Path) -> None:
    image = tmp_path / "bird_one.png"
    image.write_bytes(b"not decoded here")
    strip = rendered(example_strip((image,), "run"))

    assert "data-chosen" not in rendered(examples_said((image,), (BUG,), "run", None))
    assert 'data-run="run"' in strip
    assert str(tmp_path) not in strip
