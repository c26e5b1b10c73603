"""Settings are refused where they enter, with a sentence that lists what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headswap.app.jobs.queue import QueueSettings
from headswap.app.service.limits import Limits, limits_for
from headswap.app.service.settings import Settings
from headswap.errors import BadSetting
from headswap.lessons.config import LessonConfig
from headswap.network import InputSpec
from headswap.pipeline.experiment import DataConfig, Experiment
from headswap.training.config import FinetuneConfig, ReplayedChoices, TrainConfig
from headswap.zoos.zoo import ZooSettings

DATA = DataConfig(source="x")
HERE = Path()


@pytest.mark.parametrize(
    ("make", "problem", "remedy"),
    [
        (lambda: TrainConfig(depth="all"), "depth is 'all'.", "head, norms, last, everything or auto."),
        (lambda: TrainConfig(crop_mode="cut"), "crop_mode is 'cut'.", "crop, squash or border, or None."),
        (lambda: TrainConfig(crop_mode=["crop"]), "crop_mode is ['crop'].", "crop, squash or border, or"),
        (lambda: TrainConfig(budget_s="60"), "budget_s is '60'.", "a number, or None."),
        (lambda: TrainConfig(budget_s=math.nan), "budget_s is nan.", "Choose seconds above 0, such as 120."),
        (lambda: TrainConfig(flip="no"), "flip is 'no'.", "True or False."),
        (lambda: TrainConfig(folds=4.5), "folds is 4.5.", "a whole number."),
        (lambda: TrainConfig(l2_grid=0.1), "l2_grid is 0.1.", "a tuple, each a number."),
        (lambda: TrainConfig(l2_grid=(0.1, "1")), "l2_grid is (0.1, '1').", "a tuple, each a number."),
        (lambda: TrainConfig(l2_grid=(float("inf"),)), "l2_grid is (inf,).", "numbers above 0."),
        (lambda: TrainConfig(finetune={"epochs": 3}), "finetune is {'epochs': 3}.", "a FinetuneConfig."),
        (lambda: FinetuneConfig(epochs="ten"), "epochs is 'ten'.", "a whole number."),
        (lambda: FinetuneConfig(epochs=True), "epochs is True.", "a whole number."),
        (lambda: FinetuneConfig(norms="freeze"), "norms is 'freeze'.", "frozen, recalibrate or train."),
        (lambda: DataConfig(source=Path("x")), "source is ", "Choose text."),
        (lambda: DataConfig(source="x", seed="0"), "seed is '0'.", "a whole number."),
        (lambda: Experiment(data=DATA, model=None), "model is None.", "Choose text."),
        (lambda: Experiment(data=DATA, train="auto"), "train is 'auto'.", "a TrainConfig."),
        (
            lambda: ReplayedChoices(engine="cpu", threads=2, l2=None, depth="all"),
            "depth is 'all'.", "or auto.",
        ),
        (lambda: ZooSettings(offline="yes"), "offline is 'yes'.", "True or False."),
        (lambda: ZooSettings(cache="weights"), "cache is 'weights'.", "a path, or None."),
        (lambda: InputSpec(interpolation="cubic"), "interpolation is 'cubic'.", "box or hamming."),
        (lambda: InputSpec(squash_px=(8,)), "squash_px is (8,).", "a tuple of 2, or None."),
        (lambda: Limits(pictures="many"), "pictures is 'many'.", "a whole number."),
        (lambda: Limits(spare=1), "spare is 1.", "True or False."),
        (lambda: limits_for("school"), "“school” has no limits", "me, class, lab."),
        (lambda: limits_for("me", {"picture": 3}), "There is no limit “picture”", "Choose pictures, "),
        (lambda: QueueSettings(capacity=None), "capacity is None.", "a whole number."),
        (lambda: LessonConfig(draws=2.5), "draws is 2.5.", "a whole number."),
        (lambda: Settings(workspace="w", sample=HERE), "workspace is 'w'.", "a path."),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_where_it_enters(
    make: Callable[[], Any], problem: str, remedy: str
) -> None:
    with pytest.raises(BadSetting) as refused:
        make()

    assert refused.value.problem.startswith(problem)
    assert refused.value.remedy.endswith(remedy) or remedy in refused.value.remedy


def test_a_whole_number_is_a_number_too_and_a_long_value_is_shown_short() -> None:
    assert TrainConfig(budget_s=60, l2_grid=(1,), l2=1).l2 == 1
    assert Settings(workspace=HERE, sample=HERE).limits == Limits()
    with pytest.raises(BadSetting, match=r"^depth is 'aaaa") as refused:
        TrainConfig(depth="a" * 500)  # what a notebook may hand over
    assert len(refused.value.problem) < 100
