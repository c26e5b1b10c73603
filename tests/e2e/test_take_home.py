"""Step 5 in a real browser: what is downloaded says the same as the page, where headswap cannot be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.house import SAMPLE, Visit

pytestmark = pytest.mark.browser

WITHOUT = (  # a Python in which `import headswap` fails, asserted before the program of the zip begins
    "import runpy, sys\n"
    "sys.modules['headswap'] = None\n"
    "try:\n    import headswap\nexcept ImportError:\n    pass\n"
    "else:\n    raise SystemExit('headswap is here')\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)
CLOSE = 0.01  # the page shows whole percents


def ask(folder: Path, program: str, image: Path) -> dict[str, float]:
    """What a program of the zip says of a picture: class -> probability."""
    nothing_of_ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, program, str(image), "--json"],
        cwd=folder, env=nothing_of_ours, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["predictions"][0]
    return dict(said["probabilities"])


def shown(visit: Visit) -> dict[str, float]:
    """What the page says: class -> probability, in whole percents."""
    rows = visit.page.locator("#hs-answer .bars").first.locator("li")
    texts = [row.inner_text().split("\n") for row in rows.all()]
    return {text[0]: float(text[-1].split()[0]) / 100 for text in texts}


def test_the_zip_and_its_onnx_say_what_the_page_says_without_headswap(taught: Visit, tmp_path: Path) -> None:
    page = taught.page
    image = SAMPLE / "try" / "bird_hen_01.png"  # see-through: anyone who forgets that sees another picture
    # something else first: the same answer again would change nothing on the page
    page.click("#hs-examples [data-example='3']")
    taught.wait("#hs-try img[src*='fruit_watermelon_simple']")  # its answer came with it
    taught.wait("#hs-answer .live:not(:has-text('bird'))")
    page.evaluate("document.querySelector('#hs-answer .answered').dataset.old = 'yes'")
    page.set_input_files("#hs-try input[type=file]", image)
    taught.wait("#hs-answer .answered:not([data-old])")
    on_page = shown(taught)

    taught.open_step("home")
    taught.packed()
    with page.expect_download() as download:
        page.click("#hs-download")
    download.value.save_as(tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as packed:
        assert packed.testzip() is None
        packed.extractall(tmp_path / "elsewhere")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    torch_says, onnx_says = (ask(folder, name, image) for name in ("predict.py", "predict_onnx.py"))

    assert set(torch_says) == set(onnx_says) == set(on_page) == {"bird", "fruit", "vehicle"}
    for name, share in on_page.items():
        assert abs(torch_says[name] - share) < CLOSE
        assert abs(onnx_says[name] - torch_says[name]) < 1e-3
    check = json.loads((folder / "check.json").read_text())
    assert all(way["same"] == way["pictures"] for way in check["ways"])
    assert "same on" in page.inner_text("#hs-agreement")
    names = {path.name for path in folder.iterdir()}
    assert {"weights.safetensors", "labels.json", "preprocessing.json", "README.md", "model.onnx"} <= names
