"""How the record of a head lies on the disk: in the columns of version 0.1."""

from __future__ import annotations

import json

from headswap.heads.site import HeadLayer, HeadSite
from headswap.storage.files import from_json, to_json


def test_layers_are_columns_on_the_disk_and_come_back() -> None:
    site = HeadSite(
        layers=(
            HeadLayer(path="one", kind="Linear", in_features=8, out_features=3),
            HeadLayer(path="two", kind="Conv2d", in_features=16, out_features=5),
        ),
        aux_layers=(HeadLayer(path="aux", kind="Linear", in_features=4, out_features=3),),
        num_classes=3,
        input_size=(3, 8, 8),
    )

    kept = json.loads(to_json(site))

    assert list(kept)[:9] == [
        "paths", "kinds", "in_features", "num_classes", "input_size",
        "aux_paths", "aux_kinds", "aux_in_features", "out_features",
    ]  # fmt: skip
    assert (kept["paths"], kept["in_features"], kept["aux_kinds"]) == (["one", "two"], [8, 16], ["Linear"])
    assert from_json(HeadSite, json.dumps(kept)) == site


def test_older_files_tell_less() -> None:
    old = {
        "paths": ["fc"],
        "kinds": ["Linear"],
        "in_features": [8],
        "num_classes": 3,
        "input_size": [3, 8, 8],
    }

    site = from_json(HeadSite, json.dumps(old | {"aux_paths": ["body.fc"]}))

    assert site.layers == (HeadLayer(path="fc", kind="Linear", in_features=8, out_features=3),)
    assert site.aux_paths == ("body.fc",)
    assert json.loads(to_json(site))["aux_kinds"] == []
