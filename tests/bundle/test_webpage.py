from __future__ import annotations

import json
import re
import zipfile
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from headswap import export
from headswap.bundle.predictor import load_bundle
from headswap.errors import BadSetting
from headswap.exports import webpage
from headswap.exports.webpage import NoPage
from tests.bundle.conftest import Untaught

NAMES = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) +\*?(\w+)", re.MULTILINE)
MOST_BYTES = 22_000_000  # of the page of EfficientNet-Lite0


@pytest.fixture(scope="module")
def page(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page") / "mine.html"
    check = export(bundle, place)
    assert check.agree
    assert check.routes[0].largest_difference is not None
    assert check.routes[0].largest_difference < 1e-5
    return place


def test_a_page_has_few_bytes(page: Path) -> None:
    assert page.stat().st_size <= MOST_BYTES


def test_neither_a_file_name_nor_a_place_of_this_machine_travels(
    page: Path, bundle: Path, few_drawings: Path
) -> None:
    text = page.read_text(encoding="utf-8")
    names = [one.file for one in load_bundle(bundle).dataset.images]

    assert names
    assert not [name for name in names if name in text]
    assert str(few_drawings) not in text


def test_a_name_with_signs_is_what_the_home_screen_says() -> None:
    kept = webpage.files_next_to("<title>Ana&#x27;s &lt;b&gt; &amp; \n مرحبا 🦊</title>\n")

    assert json.loads(kept["manifest.webmanifest"])["name"] == "Ana's <b> & \n مرحبا 🦊"


def test_names_are_text_and_run_nothing(untaught: Untaught, tmp_path: Path) -> None:
    title = '<script>alert(1)</script> & "mugs"'
    small = untaught("timm/test_vit")
    webpage.write_page(load_bundle(small), small, tmp_path / "p.html", title=title)

    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;mugs&quot;" in text


def test_page_and_zip_for_a_web_host_are_whole_and_the_same_every_time(
    untaught: Untaught, tmp_path: Path
) -> None:
    small = untaught("timm/test_vit")
    export(small, tmp_path / "site.zip", form="site")
    export(small, tmp_path / "page.html")  # makes the page once more
    webpage.pack_site(tmp_path / "page.html", tmp_path / "again.zip")

    assert (tmp_path / "site.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "site.zip") as packed:
        assert sorted(packed.namelist()) == [
            "README.md", "example.html", "headswap.d.mts", "headswap.mjs", "icon-192.png", "icon-512.png",
            "index.html", "manifest.webmanifest", "p5.html", "sw.js",
        ]  # fmt: skip
        assert 'data-offline=""' in packed.read("index.html").decode()
        manifest = json.loads(packed.read("manifest.webmanifest"))
        for icon in manifest["icons"]:
            drawn = Image.open(BytesIO(packed.read(icon["src"])))
            assert icon["sizes"] == f"{drawn.width}x{drawn.height}"
        assert "$" not in packed.read("sw.js").decode()


def test_a_network_too_large_for_a_phone_is_refused_in_words(untaught: Untaught, tmp_path: Path) -> None:
    with pytest.raises(NoPage, match=r"This network has \d+ MB of weights; a web page holds at most 40 MB"):
        export(untaught("timm/resnet18"), tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [{"onnx": False}, {"data": "pictures"}])
def test_what_a_page_has_no_room_for_is_refused(
    more: dict[str, object], bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadSetting, match="Only the zip of programs takes pictures along"):
        export(bundle, tmp_path / "p.html", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("scripts", [webpage._IN_WORKER, webpage._IN_PAGE])
def test_scripts_that_become_one_share_no_name_and_leave_no_import(scripts: tuple[str, ...]) -> None:
    home = files("headswap.exports") / "web"
    names = [name for script in scripts for name in NAMES.findall((home / script).read_text("utf-8"))]

    assert len(names) == len(set(names))
    joined = webpage._joined(scripts)
    assert not re.search(r"^(import|export)\b", joined, re.MULTILINE)
    assert "</script" not in joined


def test_a_runtime_that_is_not_what_came_with_headswap_goes_into_no_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = next(iter(webpage._VENDOR))
    monkeypatch.setitem(webpage._VENDOR, name, "0" * 64)

    with pytest.raises(NoPage, match=r"of this headswap is damaged\. Install headswap again\."):
        webpage._vendored(name)
