"""How far do the answers of @teachablemachine/image differ from the bundle's?

    npm install @tensorflow/tfjs@1.3.1 @teachablemachine/image esbuild --legacy-peer-deps
    npx esbuild in.js --bundle --outfile=tm.js
    python -m benchmarks.teachable_machine BUNDLE PHOTOS --library tm.js

in.js makes both libraries known to the page: `window.tf = require("@tensorflow/tfjs")` and
`window.tmImage = require("@teachablemachine/image")`. The bundle's head must be a plain one (`headswap teach
--head last`).

Each photo is asked three times: with the pixels that headswap prepared, as the library prepares it, and as
headswap reckons that it does. Chromium of the system, nothing leaves 127.0.0.1.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
from playwright.sync_api import Page, sync_playwright

from headswap import export
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.data.decode import read_image
from headswap.exports.canvas import canvas_pixels

SAME_PIXELS = """async ([values, size]) => {
  const image = tf.tensor(values, [1, size, size, 3]).div(127).sub(1);
  return Array.from(await window.model.model.predict(image).data());
}"""
SAME_PHOTO = """async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  return (await window.model.predict(image)).map((one) => one.probability);
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    choices = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    choices.add_argument("bundle", type=Path)
    choices.add_argument("photos", type=Path, help="a folder of JPEG files")
    choices.add_argument("--library", type=Path, required=True)
    choices.add_argument("--most", type=int, default=30, help="photos")
    chosen = choices.parse_args()
    bundle = load_bundle(chosen.bundle)
    photos = sorted(chosen.photos.rglob("*.jpg"))
    photos = photos[:: max(1, len(photos) // chosen.most)][: chosen.most]
    with tempfile.TemporaryDirectory() as place:
        export(chosen.bundle, Path(place) / "tm.zip", form="teachable-machine")
        with zipfile.ZipFile(Path(place) / "tm.zip") as packed:
            packed.extractall(place)
        shutil.copy(chosen.library, Path(place) / "tm.js")
        (Path(place) / "index.html").write_text('<!doctype html><script src="tm.js"></script>')
        for number, photo in enumerate(photos):
            shutil.copy(photo, Path(place) / f"{number}.jpg")
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place)) as host:
            Thread(target=host.serve_forever, daemon=True).start()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                compare(bundle, photos, browser.new_page(), f"http://127.0.0.1:{host.server_port}/")
            host.shutdown()


def compare(bundle: Bundle, photos: list[Path], page: Page, url: str) -> None:
    page.goto(url)
    page.evaluate(
        f"async () => {{ window.model = await tmImage.load('{url}model.json', '{url}metadata.json'); }}"
    )
    size = bundle.card.input.height
    ways: dict[str, list[tuple[float, bool]]] = {"same pixels": [], "same photo": [], "reckoned": []}
    apart: list[float] = []  # between the photo as the library prepares it and as that is reckoned
    for number, photo in enumerate(photos):
        said = bundle.predict(photo).probabilities
        expected = np.array([said[name] for name in bundle.classes])
        pixels = [bundle.prepare(photo).ravel().tolist(), size]
        asked = {
            "same pixels": page.evaluate(SAME_PIXELS, pixels),
            "same photo": page.evaluate(SAME_PHOTO, f"{url}{number}.jpg"),
            "reckoned": reckoned(bundle, photo),
        }
        apart.append(float(np.abs(np.subtract(asked["same photo"], asked["reckoned"])).max()))
        for way, given in asked.items():
            row = np.array(given)
            ways[way].append((float(np.abs(row - expected).max()), row.argmax() == expected.argmax()))
    print("| asked with | same name | largest difference | median |\n|---|--:|--:|--:|")
    for way, found in ways.items():
        differences = [one for one, _ in found]
        same = sum(one for _, one in found)
        print(f"| {way} | {same} of {len(found)} | {max(differences):.1e} | {np.median(differences):.1e} |")
    print(f"reckoned and real: largest difference {max(apart):.1e}, median {np.median(apart):.1e}")


def reckoned(bundle: Bundle, photo: Path) -> list[float]:
    seen = canvas_pixels(read_image(photo.read_bytes(), name=photo.name), bundle.card.input.height)
    (said,) = bundle.predict_prepared([photo.name], seen[None])
    return [said.probabilities[name] for name in bundle.classes]


if __name__ == "__main__":
    main()
