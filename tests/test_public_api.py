"""One list of verbs: what Python offers, what the shell offers, and what the documents name are the same."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import headswap
from headswap.cli.main import new_parser
from headswap.errors import BadSetting, UnreadableImage
from headswap.training.config import TrainConfig

SHELL_ONLY = {"engines", "serve", "users", "doctor"}  # for this machine, not for a program
PYTHON_ONLY = {"find_head", "load_bundle", "load_network", "run_experiment", "swap_head", "train"}
OTHERWISE = {  # an argument of the shell and its parameter, where the words must differ
    ("teach", "again"): "from_bundle",  # `--from`; "from" is a word of Python
    ("export", "pictures"): "data",
    ("export", "no_onnx"): "onnx",
    ("teach", "mirror"): "flip",
    ("teach", "fit"): "crop_mode",
    ("teach", "no_features"): "keep_features",
}
SHELL_MATTERS = {
    "help",
    "json",
    "workspace",
    "run",
    "plot",
    "notebook",
    "csv",
}  # how an answer is kept


def verbs() -> dict[str, argparse.ArgumentParser]:
    return next(
        dict(action.choices)
        for action in new_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )


def functions() -> set[str]:
    return {name for name in headswap.__all__ if inspect.isfunction(getattr(headswap, name))}


def test_the_verbs_of_the_shell_are_functions_of_headswap() -> None:
    assert set(verbs()) - SHELL_ONLY == functions() - PYTHON_ONLY


def test_everything_promised_exists_and_says_what_it_is_for() -> None:
    for name in headswap.__all__:
        assert (getattr(headswap, name).__doc__ or "").strip(), name


def test_every_record_of_choices_that_a_function_takes_is_there_too() -> None:
    taken = {
        name
        for function in functions()
        for parameter in inspect.signature(getattr(headswap, function)).parameters.values()
        for name in re.findall(r"\b\w*(?:Config|Settings|Experiment)\b", str(parameter.annotation))
    }

    assert {"TrainConfig", "ZooSettings", "Experiment"} <= taken
    assert taken <= set(headswap.__all__)


@pytest.mark.parametrize("verb", sorted(set(verbs()) - SHELL_ONLY))
def test_a_parameter_has_one_name_in_the_shell_and_in_python(verb: str) -> None:
    taken = set(inspect.signature(getattr(headswap, verb)).parameters)
    if "config" in taken:
        taken |= {field.name.removesuffix("_s") for field in fields(TrainConfig)}

    asked = {action.dest for action in verbs()[verb]._actions} - SHELL_MATTERS

    assert {OTHERWISE.get((verb, name), name) for name in asked} <= taken


def test_train_and_teach_are_one_function() -> None:
    assert headswap.teach is headswap.train


@pytest.mark.parametrize("choice", [{"seed": 1}, {"head": "fc"}, {"config": TrainConfig()}])
def test_a_repeated_run_refuses_choices_that_it_would_not_follow(choice: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match="no other choice can be followed"):
        headswap.train("anywhere", from_bundle="a-bundle", **choice)


def test_images_that_cannot_be_read_are_left_out_by_name_and_the_others_answered(
    bundle: Path, few_drawings: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    image = next(few_drawings.rglob("*.png"))

    said = headswap.predict(bundle, [broken, image])

    assert [one.file for one in said.answers] == [str(image)]
    assert [left.file for left in said.left_out] == [str(broken)]
    assert said.answers[0] == headswap.load_bundle(bundle).predict(image)
    with pytest.raises(UnreadableImage):
        headswap.predict(bundle, broken)
