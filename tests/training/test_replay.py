"""What an earlier run measured is taken as it is."""

from __future__ import annotations

from headswap.training.config import FinetuneConfig, ReplayedChoices, TrainConfig, replayed

CONFIG = TrainConfig(depth="auto", budget_s=60, finetune=FinetuneConfig(epochs=9, confirmations=3))


def test_a_run_that_went_further_is_repeated_without_a_search_or_a_clock() -> None:
    replay = ReplayedChoices(
        engine="e", threads=2, l2=0.1, depth="last", learning_rate=3e-3, epochs=7, parts=1
    )

    again = replayed(CONFIG, replay)

    assert (again.depth, again.l2, again.budget_s) == ("last", 0.1, None)
    finetune = again.finetune
    assert (finetune.learning_rate, finetune.epochs, finetune.confirmations) == (3e-3, 7, 1)


def test_a_run_that_kept_the_solved_head_leaves_the_finer_choices_alone() -> None:
    again = replayed(CONFIG, ReplayedChoices(engine="e", threads=2, l2=0.1))

    assert again.depth == "head"
    assert again.finetune == CONFIG.finetune
