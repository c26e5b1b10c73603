"""What many tests need: the sample set, a place for features, one taught bundle."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

BROWSER = "tests/e2e/"
MEASURED = "measured"  # a property of a test: seconds or clicks, next to their goal
ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
BESIDE = (  # what tests read of it
    "data/cats_dogs", "data/magnetic_tile6", "hazards/manifest.json",
    "weights/torchvision_squeezenet1_1.safetensors",
)  # fmt: skip

CACHES_OF_OTHERS = {
    "HF_HOME": "huggingface",
    "TORCH_HOME": "torch",
    "PLAYWRIGHT_BROWSERS_PATH": "ms-playwright",
}  # what was downloaded for other programs is read where it is

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of several processes would wait for each other's cores
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    gc.disable()  # until the tests are collected: what their modules make stays


if "PYTEST_XDIST_WORKER" not in os.environ:  # its processes inherit it
    _OWN = tempfile.TemporaryDirectory(prefix="headswap-tests-", ignore_cleanup_errors=True)
    _CACHES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for _name, _folder in CACHES_OF_OTHERS.items():
        os.environ.setdefault(_name, str(_CACHES / _folder))
    os.environ["XDG_CACHE_HOME"] = _OWN.name  # headswap's own: a run of the tests leaves nothing there


class FromBothEnds(LoadScopeScheduling):
    """Whole files. One process begins with the browser's, the other with the last: they end together."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node is not self.nodes[0]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FromBothEnds:
    return FromBothEnds(config, log)


def pytest_sessionstart() -> None:
    """Where a run decides, nothing is skipped in silence."""
    missing = [name for name in BESIDE if not (SHARED / name).exists()]
    if missing and os.environ.get("CI"):
        pytest.exit(f"CI needs what lies next to the checkout; missing in {SHARED}: {', '.join(missing)}", 4)


def pytest_collection_finish() -> None:
    """A look for garbage would go through torch, gradio and all tests each time."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="before a release: more seeds and networks")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The browser's first: see `FromBothEnds`. What is `thorough` only where that was asked for."""
    items.sort(key=lambda item: not item.nodeid.startswith(BROWSER))
    if not config.getoption("--thorough"):
        extra = [item for item in items if item.get_closest_marker("thorough")]
        config.hook.pytest_deselected(items=extra)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the browser tests measured; a process of the tests has no screen of its own."""
    if not all((SHARED / name).exists() for name in BESIDE):
        terminalreporter.write_line(
            f"Tests that read real pictures and weights were skipped: not all of {SHARED} is here.",
            yellow=True,
        )
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, [])]
    said = [str(value) for one in reports for name, value in one.user_properties if name == MEASURED]
    if said:
        terminalreporter.section("measured in the browser")
        for line in said:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_this_machine() -> Iterator[None]:
    """A test run neither reads nor fills the caches of the person who runs it."""
    before = os.environ.pop("HEADSWAP_CACHE", None)
    yield
    if before is not None:
        os.environ["HEADSWAP_CACHE"] = before


@pytest.fixture(scope="session")
def sample() -> Path:
    """The public-domain drawings in four classes."""
    return ROOT / "assets" / "sample"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real labelled sets that lie next to the project and are not part of it."""
    if not SHARED.is_dir():
        pytest.skip("the data sets next to the project are not here")
    return SHARED


@pytest.fixture(scope="session")
def few_drawings(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawings of each of three classes: enough to teach, quick to run."""
    folder = tmp_path_factory.mktemp("few") / "drawings"
    for name in ("bird", "fruit", "vehicle"):
        (folder / name).mkdir(parents=True)
        for image in sorted((sample / "train" / name).iterdir())[:8]:
            shutil.copy(image, folder / name)
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def gcs() -> Iterator[str]:
    """The address of a server that speaks as Google Cloud Storage does."""
    from gcp_storage_emulator.server import create_server

    from tests.ports import free_port

    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of one test session."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def bundle(few_drawings: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle taught on the few drawings with real weights, whose head reads the last features."""
    import headswap

    place = tmp_path_factory.mktemp("bundles") / "drawings"
    headswap.teach(few_drawings, out=place, head="last", workspace=workspace)
    return place


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a network so small that it sees images in no time, as a file of one's own."""
    import torch
    from safetensors.torch import save_file

    from headswap.zoos.catalogue import build_network
    from tests.pipeline.tiny_network import TINY

    place = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(build_network(TINY).module.state_dict(), place)
    return place


@pytest.fixture(scope="session")
def tiny_bundle(
    few_drawings: Path, tiny_weights: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle of that network, taught on the few drawings: for what is the same with any."""
    import headswap
    from headswap.training.config import TrainConfig
    from tests.pipeline.tiny_network import TINY, TINY_PX

    place = tmp_path_factory.mktemp("bundles") / "tiny"
    headswap.teach(
        few_drawings, model=TINY, weights=tiny_weights, out=place, head="last", workspace=workspace,
        config=TrainConfig(px=TINY_PX),
    )  # fmt: skip
    return place


@pytest.fixture(scope="session")
def finished(few_drawings: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project file with one finished run: for tests that need a result and not the teaching of it."""
    from tests.e2e.saved import RUNS, make_project

    place = tmp_path_factory.mktemp("finished")
    return make_project(place, few_drawings, bundle, "drawings", 0.0, runs=RUNS[:1])


@pytest.fixture(scope="session")
def wide_bundle(few_drawings: Path, workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a head that reads every block."""
    import headswap

    place = tmp_path_factory.mktemp("bundles") / "wide"
    headswap.train(few_drawings, out=place, workspace=workspace, head="wide")
    return place
