"""One list of verbs: what Python offers, what the shell offers, and what the documents name are the same."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import headswap
from headswap.cli.shell import VERBS
from headswap.errors import BadSetting, UnreadableImage
from headswap.training.config import TrainConfig

SHELL_ONLY = {"engines", "serve", "users", "doctor"}  # for this machine, not for a program
PYTHON_ONLY = {"find_head", "load_bundle", "load_network", "run_experiment", "swap_head", "train"}
OF_PYTHON = {"Callable", "Literal", "Mapping", "None", "Path", "Sequence"}
WITHOUT_A_NAME = {"Crew", "Target", "ZipForm"}  # machines of a cluster; a module or Network; words
PARAMETERS = {  # what each is, in every function that takes it
    "absent": "labels that no old image shows",
    "add": "images of other classes",
    "allow_code": "whether Python code that a bundle names may run",
    "any_use": "whether the licence must allow any use",
    "bundle": "a trained network: its folder or zip, or loaded",
    "config": "how the head is trained",
    "crew": "the machines that do the work",
    "csv": "a table to write",
    "data": "labelled images, or images to be labelled",
    "experiment": "every choice of a run",
    "fetch": "whether weights may be fetched",
    "folder": "of a class, to which images are added",
    "folds": "of cross-validation",
    "form": "what a zip holds",
    "from_bundle": "the run that is repeated",
    "head": "what the new head reads, or the path of the layer that is the head",
    "images": "images to be answered",
    "init_std": "spread of new weights",
    "input_size": "(channels, height, width)",
    "kept": "a file of answers",
    "labels": "answers that are known",
    "least_sure": "in [0, 1]",
    "link": "an address",
    "listener": "hears how far it is",
    "merge": "classes that become one",
    "model": "an architecture",
    "models": "several of them",
    "most_mb": "largest weights",
    "most_ms": "longest time of an answer",
    "name": "of a lesson",
    "num_classes": "of the new head",
    "on": "a cluster",
    "on_row": "hears each row",
    "onnx": "whether model.onnx is packed",
    "out": "where the result goes",
    "pattern": "of names of architectures",
    "plot": "a drawing to write",
    "processes": "that train together",
    "recorded": "images of the run that is repeated",
    "remove": "classes that go",
    "rename": "new names of classes",
    "seed": "of all that is drawn",
    "settings": "of the zoos",
    "site": "where the head is",
    "target": "a module or Network",
    "test_share": "in (0, 1)",
    "unlabeled": "images that no one has labelled",
    "weights": "a file of one's own",
    "workspace": "a folder for features and copies",
}
FIRST = {"bundle", "data", "experiment", "link", "model", "name", "pattern", "target"}


def functions() -> set[str]:
    return {name for name in headswap.__all__ if inspect.isfunction(getattr(headswap, name))}


def test_the_verbs_of_the_shell_are_functions_of_headswap() -> None:
    assert set(VERBS) - SHELL_ONLY == functions() - PYTHON_ONLY


def test_everything_promised_exists_and_says_what_it_is_for() -> None:
    for name in set(headswap.__all__) - {"Listener"}:  # a name for a type of Python's own
        assert (getattr(headswap, name).__doc__ or "").strip(), name


def signatures() -> dict[str, inspect.Signature]:
    return {name: inspect.signature(getattr(headswap, name)) for name in functions()}


def test_every_record_that_a_function_takes_or_gives_is_there_too() -> None:
    named = {
        name
        for signature in signatures().values()
        for annotation in [signature.return_annotation, *signature.parameters.values()]
        for name in re.findall(r"\b[A-Z]\w+", str(annotation).partition(" = ")[0])
    }

    assert {"TrainConfig", "ZooSettings", "Experiment", "SortedImages", "Listener"} <= named
    assert named - OF_PYTHON - WITHOUT_A_NAME <= set(headswap.__all__)


def test_one_thing_has_one_name_in_all_functions() -> None:
    taken = {name for signature in signatures().values() for name in signature.parameters}

    assert taken == set(PARAMETERS)
    assert {name for signature in signatures().values() for name in list(signature.parameters)[:1]} <= FIRST


def test_the_shell_runs_the_functions_of_headswap_or_has_words_of_its_own() -> None:
    for verb in set(VERBS) - SHELL_ONLY - {"lesson"}:  # without a name it lists them
        module, _, name = VERBS[verb].partition(":")
        assert getattr(import_module(module), name) is getattr(headswap, verb)


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
