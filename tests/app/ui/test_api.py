"""The endpoints for machines, called through gradio_client on a real server, as the README tells it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.e2e.house import House, app_running

ROOT = Path(__file__).parents[3]
ENDPOINTS = {"/inspect", "/start", "/status", "/cancel", "/predict", "/export"}
PATIENCE_S = 600


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The app as a person starts it, without a worker for runs that no one begins here."""
    with app_running(tmp_path_factory.mktemp("workspace"), "--no-spare") as running:
        yield running


@pytest.fixture(scope="module")
def client(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    downloads, patient = tmp_path_factory.mktemp("downloads"), {"timeout": 300.0}
    connected = Client(house.url, verbose=False, download_files=str(downloads), httpx_kwargs=patient)
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def images(few_drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of class folders with one file that is no picture."""
    packed = tmp_path_factory.mktemp("zip") / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(few_drawings.rglob("*.png")):
            archive.write(path, f"{path.parent.name}/{path.name}")
        archive.writestr("bird/notes.png", "not a picture")
    return packed


def example() -> str:
    """The Python of the README's section "For machines"."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("### For machines", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_only_the_six_endpoints_are_public(client: Client) -> None:
    told: dict[str, Any] = client.view_api(return_format="dict", print_info=False)

    assert set(told["named_endpoints"]) == ENDPOINTS
    assert told["unnamed_endpoints"] == {}
    start = told["named_endpoints"]["/start"]
    defaults = {one["parameter_name"]: one["parameter_default"] for one in start["parameters"]}
    assert defaults["model"] == "tf_efficientnet_lite0"
    assert defaults["depth"] == "head"


def cancel_one(client: Client, images: Path) -> None:
    """Begin a run, cancel it: it has no result then."""
    job = client.predict(handle_file(images), api_name="/start")["job"]

    client.predict(job, api_name="/cancel")
    deadline = PATIENCE_S
    while (status := client.predict(job, api_name="/status"))["state"] in ("queued", "running") and deadline:
        deadline -= 1

    assert status["state"] in ("cancelled", "done")
    assert (status["result"] is None) == (status["state"] == "cancelled")
    if status["state"] == "cancelled":
        with pytest.raises(AppError, match="This run has no result yet"):
            client.predict(job, handle_file(images), api_name="/predict")


def test_the_example_of_the_readme_works_word_for_word_and_a_run_beside_it_can_be_cancelled(
    house: House, client: Client, images: Path, sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures.zip").write_bytes(images.read_bytes())
    (tmp_path / "new.jpg").write_bytes((sample / "try" / "vehicle_rocket.png").read_bytes())
    script = example().replace("http://localhost:7860", house.url.rstrip("/"))
    assert script != example()

    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=PIPE, stderr=PIPE, text=True) as example_run:
        while house.newest_job() is None and example_run.poll() is None:
            time.sleep(0.1)
        cancel_one(client, images)
        printed, complaint = example_run.communicate(timeout=PATIENCE_S)

    assert example_run.returncode == 0, complaint
    said = printed.splitlines()
    assert said[0].startswith("classifier")
    assert "notes.png" in said[1]
    assert re.fullmatch(r"(bird|fruit|vehicle) \d+ %", said[-2])
    assert said[-1].endswith("pictures-tf_efficientnet_lite0.zip")
    assert zipfile.is_zipfile(said[-1])


@pytest.mark.parametrize(
    ("endpoint", "given", "sentence"),
    [
        ("/inspect", ("resnet5O",), "No zoo has a network called 'resnet5O'. Did you mean"),
        ("/status", ("0" * 32,), "There is no such run. Open your project again"),
        ("/cancel", ("../..",), "There is no such run"),
        ("/export", ("0" * 32,), "There is no such run"),
        ("/predict", ("0" * 32, {"path": "/etc/passwd"}), "No file came"),
        ("/start", ({"path": "/etc/passwd"},), "No file came"),
        ("/start", ({"path": "/etc/passwd"}, "resnet18", "deeper"), "depth is 'deeper'. Choose one of head"),
    ],
)
def test_a_mistake_is_a_sentence(
    client: Client, house: House, endpoint: str, given: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(AppError, match=re.escape(sentence)):
        client.predict(*given, api_name=endpoint)
    assert "Traceback" not in (house.workspace / "app.log").read_text(encoding="utf-8")
