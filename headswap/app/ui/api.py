"""For machines: six named endpoints, used with `gradio_client`; every listener of the page stays private.

Flow:  zip of pictures --start--> job id --status--> verdict;  job id + picture --predict--> answer
       job id --export--> zip

Plain JSON goes out, files go both ways as gradio carries them. A job id is a secret that cannot be
guessed; where people log in it also has an owner. A mistake is one sentence, never a traceback.

No `from __future__ import annotations` here: gradio reads the types of what is given back.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal

from headswap.app.service.service import Service
from headswap.app.ui.api_answers import Inspected, NotUsed, PredictionAnswer, Started, Status, status_of
from headswap.app.ui.context import owner_of
from headswap.app.ui.widgets.html import served
from headswap.errors import BadSetting, BadUpload, HeadswapError
from headswap.training.config import Depth, HeadChoice, TrainConfig
from headswap.zoos.catalogue import DEFAULT_MODEL

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
File = dict[str, Any]  # as gradio carries a file: {"path": ..., "meta": {"_type": "gradio.FileData"}}


def mistakes_as_sentences(endpoint: Endpoint) -> Endpoint:
    """What a person can put right goes to the caller as its two sentences."""

    @wraps(endpoint)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return endpoint(*args, **kwargs)
        except HeadswapError as mistake:
            raise gr.Error(str(mistake), print_exception=False) from mistake

    return cast(Endpoint, call)


def publish(page: gr.Blocks, service: Service) -> None:
    """Add the endpoints to a page that is built and not yet launched."""
    with page:
        for endpoint in (*_endpoints_of_runs(service), *_endpoints_of_results(service)):
            gr.api(
                mistakes_as_sentences(endpoint),
                api_name=endpoint.__name__,
                api_description=endpoint.__doc__,
                concurrency_limit=8,
            )


def _endpoints_of_runs(service: Service) -> tuple[Callable[..., Any], ...]:
    def inspect(model: str = DEFAULT_MODEL, head: str = "") -> Inspected:
        """Find the classifier head of a network; `head` names a layer to be taken instead."""
        found = service.networks.inspect(model, path=head or None)
        site = found.site
        return {
            "model": found.card.full_name,
            "heads": [
                {"layer": one.path, "kind": one.kind, "in_features": one.in_features} for one in site.layers
            ],
            "num_classes": site.num_classes,
            "parameters": found.backbone_parameters + found.head_parameters,
            "head_parameters": found.head_parameters,
            "weights": found.card.weights.text,
            "licence": found.card.licence,
            "evidence": list(site.evidence),
        }

    def start(
        pictures: File,
        request: gr.Request,
        model: str = DEFAULT_MODEL,
        depth: str = "head",
        seed: int = 0,
        head: str = "auto",
    ) -> Started:
        """Teach a network on a zip of class folders; gives the job's id, which is a secret."""
        config = _config_of(depth, head)
        owner, upload = owner_of(request), _file_of(pictures)
        project = service.new_project(owner).id
        service.choose_model(owner, project, model)
        manifest = service.images.add(owner, project, upload)
        job = service.start_teaching(owner, project, config, seed=seed)
        left_out: list[NotUsed] = [{"file": one.file, "reason": one.reason} for one in manifest.left_out]
        return {"job": job, "classes": manifest.counts, "left_out": left_out}

    def status(job: str, request: gr.Request) -> Status:
        """How a run goes; with its report when it is done."""
        return status_of(service, owner_of(request), job)

    def cancel(job: str, request: gr.Request) -> Status:
        """Stop a run; what it had learned is gone, its pictures stay."""
        owner = owner_of(request)
        service.cancel(owner, job)
        return status_of(service, owner, job)

    return inspect, start, status, cancel


def _config_of(depth: str, head: str) -> TrainConfig:
    """What a caller chose, or one sentence about what there is to choose."""
    for name, said, choices in (("depth", depth, get_args(Depth)), ("head", head, get_args(HeadChoice))):
        if said not in choices:
            raise BadSetting(f"{name} is {said!r}.", remedy=f"Choose one of {', '.join(choices)}.")
    return TrainConfig(depth=cast(Depth, depth), head=cast(HeadChoice, head))


def _endpoints_of_results(service: Service) -> tuple[Callable[..., Any], ...]:
    def predict(job: str, picture: File, request: gr.Request) -> PredictionAnswer:
        """What a picture shows, by a run that is done."""
        said = service.predict(owner_of(request), job, _file_of(picture))
        return {
            "label": said.label,
            "sure": said.sure,
            "probabilities": said.probabilities,
            "is_unlike": said.is_ood,
        }

    def export(job: str, request: gr.Request) -> File:
        """The zip to take home: weights, predict.py, ONNX, model card, measured agreement."""
        packed = service.take_home.file(owner_of(request), job)
        return {"path": served(packed), "orig_name": packed.name, "meta": {"_type": "gradio.FileData"}}

    return predict, export


def _file_of(file: File) -> Path:
    """The uploaded file that a caller means. What comes is text: it must lie where uploads lie.

    Raises:
        BadUpload: it is no upload.
    """
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not is_in_or_equal(path, get_upload_folder()) or not Path(path).is_file():
        raise BadUpload("No file came.", remedy="Send one with gradio_client.handle_file(path).")
    return Path(path)
