"""What an experiment is run on: the choices and their defaults. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from headswap.errors import BadSetting
from headswap.field_types import check_fields, keys_on_disk
from headswap.zoos.catalogue import DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class LessonConfig:
    """What an experiment is run on. The defaults work."""

    __pydantic_config__ = keys_on_disk(most_images="most_pictures", epochs="passes")

    data: str = ""  # a folder of class folders, a zip, or a project's dataset.json; "": the sample set
    model: str = DEFAULT_MODEL
    weights: str = ""  # the person's own weight file for the model; "": its pretrained ones
    head: str = ""  # the layer that a person points at; "": found
    seed: int = 0  # drives the draws, the order of the pictures and new heads
    most_images: int = 96  # more are left out, evenly from every class, so that it ends in seconds
    draws: int = 5  # times that practice and exam are drawn again where only a head is solved
    small_px: int = 96  # side of the pictures where the whole network is taught
    epochs: int = 4  # over the practice pictures, there
    seconds: float = 14.0  # of an experiment, about: a large network sees fewer pictures, or practises less

    def __post_init__(self) -> None:
        check_fields(self)
        for name, least, most in (
            ("most_images", 16, 1000),
            ("draws", 2, 50),
            ("small_px", 32, 512),
            ("epochs", 1, 100),
            ("seed", 0, 2**31),
            ("seconds", 1, 86_400),
        ):
            if not least <= getattr(self, name) <= most:
                raise BadSetting(f"{name} is {getattr(self, name)}.", remedy=f"Choose {least} to {most}.")
