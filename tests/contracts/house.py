"""Two people and one finished run: what every verb and handler is asked with, by its owner or a stranger."""

from __future__ import annotations

import inspect
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import _GeneratorContextManager
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from headswap.app.service.service import Service
from headswap.data.manifest import Manifest
from headswap.errors import HeadswapError
from headswap.zoos.candidates import NetworkLimits

SECRET = "Adas geheimes Projekt"  # her project's name; it must never be seen by Bob
NOBODY = "0123456789abcdef" * 2  # a well-formed id that was never given


NOTHING_TRIED = Manifest(name="tried", root="", classes=("bird",), images=())


@dataclass(frozen=True)
class Work:
    """What Ada has, or what no one has."""

    project: str
    job: str
    sha256: str
    image: Path
    upload: Path
    progress: str

    @property
    def values(self) -> dict[str, Any]:
        """What is sent, by the name of the argument."""
        return {
            "project": self.project, "project_id": self.project, "projects": (self.project,),
            "job": self.job, "jobs": (self.job,), "run": self.job, "runs": (self.job,), "key": self.project,
            "sha256": self.sha256, "sha256s": (self.sha256,), "files": (f"bird/{self.image.name}",),
            "upload": self.upload, "file": self.upload, "image": self.image, "images": (self.image,),
            "frame": b64encode(self.image.read_bytes()).decode(), "folder": self.upload.parent,
            "name": "bird", "new": "crow", "into": "fruit", "code": "few", "label": "bird", "px": 96,
            "model": "tf_efficientnet_lite0", "models": ("tf_efficientnet_lite0",), "path": "classifier",
            "tab": "test", "config": None, "weights": None, "pattern": "lite0",
            "names": ("tf_efficientnet_lite0",), "test_share": 0.2, "seed": 0,
            "progress": self.progress, "lesson": "which-layer", "choice": 0, "quiz_answers": (), "here": "",
            "link": "http://127.0.0.1:9/film.mp4",
            "kind": "page", "chosen": "all", "tried": NOTHING_TRIED, "labelled": NOTHING_TRIED, "left": 0,
            "voter": "b" * 32, "address": "10.0.0.9", "how": "replace",
            "limits": NetworkLimits(), "most_ms": 0.001, "most_mb": None, "any_use": False, "fetch": False,
            "known": [self.project], "ids": [self.project], "sort": "", "asking": self.job,
            "absent": False, "used": True, "taken": (),
        }  # fmt: skip


def verbs(service: Service) -> dict[str, Callable[..., Any]]:
    """Every public method of the service and of its nouns."""
    nouns = [service, *(getattr(service, name) for name in vars(service) if not name.startswith("_"))]
    return {
        f"{type(noun).__name__}.{name}": getattr(noun, name)
        for noun in nouns
        if not is_dataclass(noun)
        for name, _ in inspect.getmembers(type(noun), inspect.isfunction)
        if not name.startswith("_")
    }


def arguments(name: str, verb: Callable[..., Any], work: Work) -> dict[str, Any]:
    taken = [one for one in inspect.signature(verb).parameters if one != "owner"]
    missing = [one for one in taken if one not in work.values]
    assert not missing, f"{name} takes {missing}: say in VALUES what a stranger would send"
    return {one: work.values[one] for one in taken}


def outcome(operation: Callable[[], Any]) -> tuple[str, str]:
    """What a person hears, with all ids made equal."""
    try:
        said = operation()
        if isinstance(said, _GeneratorContextManager):
            with said as inner:
                said = inner
    except HeadswapError as error:
        return type(error).__name__, str(error)
    if isinstance(said, dict):
        said = sorted((str(getattr(one, "_id", one)), plain(value)) for one, value in said.items())
    return "answer", re.sub(r"[0-9a-f]{32}|proj-\S+", "ID", repr(plain(said)))


def plain(value: Any) -> Any:
    return repr(value.constructor_args) if hasattr(value, "constructor_args") else value
