from __future__ import annotations

from typing import get_args

import gradio as gr

from headswap.app.ui.steps.train_options import (
    ChosenOptions,
    build_plan,
    config_of,
    depth_choices,
)
from headswap.training.config import Depth, FinetuneConfig, TrainConfig


def test_what_nobody_touched_is_the_usual_config() -> None:
    with gr.Blocks():
        values = [component.value for component in build_plan().inputs]

    config, share, seed = config_of(ChosenOptions(*values))

    assert config == TrainConfig()
    assert (share, seed) == (0.2, 0)


def test_every_choice_reaches_the_config() -> None:
    chosen = ChosenOptions("last", "wide", 160, 120, 12, 0.003, 16, ["mixup"], True, 30, 7, False)

    config, share, seed = config_of(chosen)

    assert config == TrainConfig(
        depth="last", head="wide", px=160, budget_s=120.0, flip=True,
        finetune=FinetuneConfig(
            epochs=12, learning_rate=0.003, batch_size=16, flip=False, least_crop=1.0, mixup=0.2
        ),
        keep_features=False,
    )  # fmt: skip
    assert (share, seed) == (0.3, 7)


def test_every_depth_is_offered_with_its_time() -> None:
    assert {depth for _, depth in depth_choices({})} == set(get_args(Depth))

    choices = {value: label for label, value in depth_choices({"head": 9.0, "last": 130.0})}

    assert choices["head"] == "Only the head\nSeconds. The right start."
    assert choices["last"] == "Head and last part\nAbout 2 minutes. The last part of the body as well."
    assert choices["norms"] == "Head and a bit more\nMinutes. A few numbers inside the body as well."
