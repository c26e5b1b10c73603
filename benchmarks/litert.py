"""How far do the LiteRT files of a bundle differ from it, and how long does one answer take?

    python -m benchmarks.litert BUNDLE DATA

DATA is the folder that was trained on. Needs the extra "lite"; on Python 3.11 and 3.12 in an environment
without the extra "app". Everything is asked on one thread, in time of the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from headswap import export
from headswap.bundle.format import opened, read_dataset
from headswap.bundle.predictor import load_bundle
from headswap.data.transforms import to_float
from headswap.exports.litert import LiteRtNetwork
from headswap.exports.package import INT8, LITERT, located


def main() -> None:
    choices = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    choices.add_argument("bundle", type=Path)
    choices.add_argument("data", type=Path)
    chosen = choices.parse_args()
    with opened(chosen.bundle) as folder:
        bundle, manifest = load_bundle(folder), located(read_dataset(folder), chosen.data)
    numbers = [
        to_float(bundle.prepare(manifest.path(one))[None], bundle.card.input) for one in manifest.images
    ]
    answers = list(bundle.predict_many([manifest.path(one) for one in manifest.images]))
    expected = np.array([[one.probabilities[name] for name in bundle.classes] for one in answers])
    with tempfile.TemporaryDirectory() as place:
        started = time.process_time()
        check = export(chosen.bundle, Path(place) / "a.zip", data=chosen.data, form="litert")
        print(f"exported in {time.process_time() - started:.0f} s of CPU; all agree: {check.agree}")
        with zipfile.ZipFile(Path(place) / "a.zip") as packed:
            packed.extractall(place)
        print("| file | MB | same name | largest difference | of `unlike` | ms |\n|---|--:|--:|--:|--:|--:|")
        for name in (LITERT, INT8):
            file = Path(place) / "a" / name
            if not file.is_file():
                print(f"| {name} | not written |")
                continue
            network = LiteRtNetwork(file)
            started = time.process_time()
            said = [network.answer(one) for one in numbers]
            ms = 1000 * (time.process_time() - started) / len(numbers)
            shares = np.array([one for one, _ in said])
            same = int((shares.argmax(axis=1) == expected.argmax(axis=1)).sum())
            unlike = max(
                abs((one or 0) - (each.ood_score or 0)) for (_, one), each in zip(said, answers, strict=True)
            )
            print(
                f"| {name} | {file.stat().st_size / 1e6:.1f} | {same} of {len(said)} | "
                f"{np.abs(shares - expected).max():.1e} | {unlike:.1e} | {ms:.1f} |"
            )


if __name__ == "__main__":
    main()
