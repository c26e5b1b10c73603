from __future__ import annotations

from pathlib import Path

from headswap.app.ui.steps.try_it import example_strip, examples_for
from headswap.app.ui.widgets.html import rendered
from headswap.bundle.prediction import Prediction


def test_the_sample_set_has_examples_for_each_of_its_classes() -> None:
    names = [path.name for path in examples_for(("bird", "bug", "fruit", "vehicle"))]

    assert len(names) == 8
    assert {name.split("_")[0] for name in names} == {"bird", "bug", "fruit", "vehicle"}


def test_images_of_other_things_are_no_examples() -> None:
    assert examples_for(("mug", "pen")) == ()
    assert rendered(example_strip((), (), -1)) == ""


def test_each_example_says_aloud_what_the_network_says_of_it(tmp_path: Path) -> None:
    image = tmp_path / "bird_one.png"
    image.write_bytes(b"not decoded here")

    strip = rendered(
        example_strip((image,), (Prediction(file="x", label="bug", probabilities={"bug": 0.6}),), 0)
    )

    assert 'aria-label="Example 1: it says bug, 60\u00a0% sure"' in strip
    assert 'aria-pressed="true"' in strip
    assert str(tmp_path) not in strip
