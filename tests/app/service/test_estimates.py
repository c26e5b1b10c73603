from __future__ import annotations

from headswap.app.service.networks import training_s
from headswap.training.config import FinetuneConfig, TrainConfig


def seconds(config: TrainConfig) -> float:
    return training_s(config, images=96, test_share=0.2, image_ms=11.0, train_ms=33.0)


def test_the_head_alone_takes_seconds_and_everything_minutes() -> None:
    assert seconds(TrainConfig()) < 10
    assert 60 < seconds(TrainConfig(depth="everything")) < 600


def test_the_last_blocks_take_less_than_the_whole_and_the_search_of_auto_more() -> None:
    last, whole, auto = (seconds(TrainConfig(depth=depth)) for depth in ("last", "everything", "auto"))

    assert last < whole < auto


def test_a_given_rate_saves_the_search_and_a_budget_is_the_most_it_takes() -> None:
    given = TrainConfig(depth="everything", finetune=FinetuneConfig(learning_rate=0.001))

    assert seconds(given) < seconds(TrainConfig(depth="everything"))
    assert seconds(TrainConfig(depth="everything", budget_s=30.0)) == 30.0
