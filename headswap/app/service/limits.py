"""What one installation allows: sane figures for one person, a class and a lab, each of which may be changed.

Flow:  "me" | "class" | "lab" --limits_for--> Limits --table--> lines that the server prints when it starts

0 means "no limit" where the words say so. Knows figures and words only; who holds them stands in the
service, the queue and the readers of pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from headswap.errors import BadSetting
from headswap.field_types import check_fields

Profile = Literal["me", "class", "lab"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


def _figure(default: float, description: str, unit: str = "", *, may_be_none: bool = False) -> Any:
    return field(
        default=default, metadata={"description": description, "unit": unit, "may_be_none": may_be_none}
    )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is allowed. The defaults suit one person."""

    pictures: int = _figure(20_000, "pictures in one project")
    megapixels: float = _figure(200.0, "size of one picture", "megapixels")
    upload_mb: int = _figure(2_000, "size of one upload", "MB")
    weights_gb: float = _figure(0.0, "disk for fetched weights, of everyone", "GB", may_be_none=True)
    features_gb: float = _figure(0.0, "disk for kept features, of everyone", "GB", may_be_none=True)
    disk_gb: float = _figure(0.0, "disk for one person", "GB", may_be_none=True)
    runs_kept: int = _figure(50, "finished runs kept in a project", may_be_none=True)
    hours_kept: float = _figure(0.0, "an untouched project is kept", "hours", may_be_none=True)
    runs: int = _figure(1, "runs taught at the same time on this machine")
    waiting: int = _figure(20, "runs of one person that may wait")
    worker_gb: float = _figure(0.0, "memory for one run", "GB", may_be_none=True)
    reader_mb: int = _figure(2_000, "memory of a picture reader", "MB", may_be_none=True)
    answer_timeout_s: float = _figure(120.0, "time for one inspection or prediction", "s")
    import_timeout_s: float = _figure(900.0, "time to read one upload", "s")
    spare: bool = field(default=True, metadata={"description": "a spare worker is kept warm"})

    def __post_init__(self) -> None:
        check_fields(self)
        for one in figures():
            value, least = getattr(self, one.name), 0 if one.metadata["may_be_none"] else 1
            if not least <= value < 1e9:
                raise BadSetting(
                    f"{one.name.replace('_', '-')} is {value:g}.", remedy=f"Choose {least} or more."
                )


def figures() -> tuple[Field[Any], ...]:
    """The fields that are numbers."""
    return tuple(one for one in fields(Limits) if one.name != "spare")


_PRESETS: Mapping[Profile, Limits] = MappingProxyType(
    {
        "me": Limits(),
        "class": Limits(
            pictures=1_500,
            upload_mb=200,
            weights_gb=10.0,
            features_gb=5.0,
            disk_gb=1.0,
            runs_kept=5,
            hours_kept=168.0,
            waiting=2,
            worker_gb=4.0,
            spare=False,
        ),
        "lab": Limits(
            weights_gb=100.0,
            features_gb=50.0,
            disk_gb=50.0,
            hours_kept=2_160.0,
            waiting=10,
            worker_gb=16.0,
            reader_mb=3_000,
            spare=False,
        ),
    }
)


def limits_for(profile: Profile, changes: Mapping[str, float | bool] = MappingProxyType({})) -> Limits:
    """The figures for one person, a class or a lab, with single ones changed."""
    if profile not in PROFILES:
        raise BadSetting(f"“{profile}” has no limits of its own.", remedy=f"Choose {', '.join(PROFILES)}.")
    unknown = sorted(set(changes) - {one.name for one in fields(Limits)})
    if unknown:
        names = ", ".join(one.name for one in fields(Limits))
        raise BadSetting(f"There is no limit “{unknown[0]}”.", remedy=f"Choose {names}.")
    return replace(_PRESETS[profile], **changes)  # type: ignore[arg-type]


def table(limits: Limits) -> tuple[tuple[str, str], ...]:
    """Every figure in words: (what, how much)."""
    rows = [(str(one.metadata["description"]), _shown(one, getattr(limits, one.name))) for one in figures()]
    return (*rows, ("a spare worker is kept warm", "yes" if limits.spare else "no"))


def _shown(one: Field[Any], value: float) -> str:
    if not value:
        return "for ever" if one.name == "hours_kept" else "no limit"
    return f"{value:,g} {one.metadata['unit']}".rstrip()
