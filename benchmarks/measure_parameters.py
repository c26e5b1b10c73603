"""Count the numbers of every network of every zoo, on the meta device, and write measured.json.

    python benchmarks/measure_parameters.py [--check] [--zoo torchvision]

The listing of models shows these counts at once instead of building 1,500 networks.
Run it again when torchvision, timm or transformers is raised; --check only compares, --zoo
measures one zoo and keeps what is known of the others.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from headswap.storage.files import write_text
from headswap.zoos import parameters
from headswap.zoos.catalogue import zoos

PLACE = Path(parameters.__file__).with_name("measured.json")
LIBRARIES = ("torch", "torchvision", "timm", "transformers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file and change nothing")
    parser.add_argument("--zoo", choices=[zoo.name for zoo in zoos()], help="only this one")
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    pairs = [(zoo, name) for zoo in zoos() for name in zoo.names() if wanted.zoo in (None, zoo.name)]
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}
    for zoo, name in tqdm(pairs, unit="network"):
        try:
            counts[f"{zoo.name}/{name}"] = parameters.count(zoo.build(name, device="meta").module)
        except Exception as error:  # noqa: BLE001 (one architecture that cannot be built must not cost the others)
            failed[f"{zoo.name}/{name}"] = repr(error)
    for name, reason in failed.items():
        print(f"not counted: {name}: {reason}")
    known: dict[str, int] = json.loads(PLACE.read_text())["parameters"] if PLACE.is_file() else {}
    if wanted.check:
        changed = [name for name in counts if counts[name] != known.get(name)]
        print(f"{len(changed)} of {len(counts)} differ", *changed, sep="\n")
        return 1 if changed else 0
    if wanted.zoo is not None:
        counts = {**known, **counts}
    versions = {library: version(library).partition("+")[0] for library in LIBRARIES}
    write_text(PLACE, json.dumps({"libraries": versions, "parameters": counts}, indent=0) + "\n")
    print(f"{len(counts)} networks counted, {len(failed)} failed: {PLACE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
