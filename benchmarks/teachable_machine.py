"""How far do the answers of @teachablemachine/image differ from the bundle's?

    npm install @tensorflow/tfjs@1.3.1 @teachablemachine/image esbuild --legacy-peer-deps
    npx esbuild in.js --bundle --outfile=tm.js
    python -m benchmarks.teachable_machine BUNDLE PHOTOS --library tm.js [--each] [--json OUT.json]

in.js makes both libraries known to the page: `window.tf = require("@tensorflow/tfjs")` and
`window.tmImage = require("@teachablemachine/image")`. The bundle's head must be a plain one (`headswap teach
--head last`).

Each photo is asked three times: with the pixels that headswap prepared, as the library prepares it, and as
headswap reckons that it does. Chromium of the system, nothing leaves 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

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
WAYS = ("same pixels", "same photo", "reckoned")
KINDS = (".jpg", ".jpeg", ".png")
Row = dict[str, Any]  # of one picture


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    choices = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    choices.add_argument("bundle", type=Path)
    choices.add_argument("photos", type=Path, help="a folder of JPEG and PNG files, such as check/ of a zip")
    choices.add_argument("--library", type=Path, required=True)
    choices.add_argument("--each", action="store_true", help="a row for each picture")
    choices.add_argument("--json", type=Path, help="where to write every picture's differences")
    choices.add_argument("--most", type=int, default=30, help="photos")
    chosen = choices.parse_args()
    bundle = load_bundle(chosen.bundle)
    photos = sorted(one for one in chosen.photos.rglob("*") if one.suffix.lower() in KINDS)
    photos = photos[:: max(1, len(photos) // chosen.most)][: chosen.most]
    with tempfile.TemporaryDirectory() as place:
        export(chosen.bundle, Path(place) / "tm.zip", form="teachable-machine")
        with zipfile.ZipFile(Path(place) / "tm.zip") as packed:
            packed.extractall(place)
        shutil.copy(chosen.library, Path(place) / "tm.js")
        (Path(place) / "index.html").write_text('<!doctype html><script src="tm.js"></script>')
        for number, photo in enumerate(photos):
            shutil.copy(photo, Path(place) / f"{number}{photo.suffix}")
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=place)) as host:
            Thread(target=host.serve_forever, daemon=True).start()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                rows = compare(bundle, photos, browser.new_page(), f"http://127.0.0.1:{host.server_port}/")
                version = browser.version
            host.shutdown()
    if chosen.each:
        print_each(rows)
    print_all(rows, version)
    if chosen.json:
        told = {"bundle": chosen.bundle.name, "photos": chosen.photos.name, "chromium": version, "rows": rows}
        chosen.json.write_text(json.dumps(told, indent=1) + "\n")


def compare(bundle: Bundle, photos: list[Path], page: Page, url: str) -> list[Row]:
    page.goto(url)
    page.evaluate(
        f"async () => {{ window.model = await tmImage.load('{url}model.json', '{url}metadata.json'); }}"
    )
    size = bundle.card.input.height
    rows: list[Row] = []
    for number, photo in enumerate(photos):
        said = bundle.predict(photo).probabilities
        expected = np.array([said[name] for name in bundle.classes])
        pixels = [bundle.prepare(photo).ravel().tolist(), size]
        asked = {
            "same pixels": page.evaluate(SAME_PIXELS, pixels),
            "same photo": page.evaluate(SAME_PHOTO, f"{url}{number}{photo.suffix}"),
            "reckoned": reckoned(bundle, photo),
        }
        row: Row = {"photo": photo.name, "headswap": bundle.classes[int(expected.argmax())]}
        for way, given in asked.items():
            row[way] = float(np.abs(np.array(given) - expected).max())
            row[f"{way} names"] = bundle.classes[int(np.argmax(given))]
        # between the photo as the library prepares it and as that is reckoned
        row["apart"] = float(np.abs(np.subtract(asked["same photo"], asked["reckoned"])).max())
        rows.append(row)
    return rows


def print_each(rows: list[Row]) -> None:
    print("| picture | headswap | the library | largest difference | same pixels |\n|---|---|---|--:|--:|")
    for row in rows:
        print(
            f"| {row['photo']} | {row['headswap']} | {row['same photo names']} "
            f"| {row['same photo']:.1e} | {row['same pixels']:.1e} |"
        )


def print_all(rows: list[Row], version: str) -> None:
    print(f"Chromium {version}, {len(rows)} pictures")
    print("| asked with | same name | largest difference | median |\n|---|--:|--:|--:|")
    for way in WAYS:
        found = [row[way] for row in rows]
        same = sum(row[f"{way} names"] == row["headswap"] for row in rows)
        print(f"| {way} | {same} of {len(rows)} | {max(found):.1e} | {np.median(found):.1e} |")
    apart = [row["apart"] for row in rows]
    same = sum(row["same photo names"] == row["reckoned names"] for row in rows)
    print(
        f"reckoned and real: same name {same} of {len(rows)}, largest difference {max(apart):.1e}, ", end=""
    )
    print(f"median {np.median(apart):.1e}")


def reckoned(bundle: Bundle, photo: Path) -> list[float]:
    seen = canvas_pixels(read_image(photo.read_bytes(), name=photo.name), bundle.card.input.height)
    (said,) = bundle.predict_prepared([photo.name], seen[None])
    return [said.probabilities[name] for name in bundle.classes]


if __name__ == "__main__":
    main()
