"""`headswap.export`: from a bundle to the zip that a person takes along."""

from __future__ import annotations

from pathlib import Path

from headswap.bundle.format import opened, read_dataset
from headswap.errors import BadSetting
from headswap.events import Listener, silent
from headswap.exports.package import located, take_home
from headswap.exports.parity import ParityCheck
from headswap.storage.places import why_not_writable


def export(
    bundle: str | Path,
    out: str | Path,
    *,
    data: str | Path | None = None,
    onnx: bool = True,
    allow_code: bool = False,
    listener: Listener = silent,
) -> ParityCheck:
    """Pack a bundle with predict.py, ONNX and a model card, and measure that they agree.

    Args:
        bundle: the folder or zip that `train` wrote.
        out: where the zip goes; must end in .zip. What is there is replaced as a whole.
        data: the images it was trained on: ten of these travel along and are checked. None: drawings only.
        onnx: whether to write model.onnx.
        allow_code: let a bundle trained on your own code import that code.
        listener: hears how far it is.

    Raises:
        BundleDamaged, BadSetting, BadUpload, DiskFull.
    """
    target = _writable(Path(out))
    manifest = None
    if data:
        with opened(Path(bundle)) as folder:
            manifest = located(read_dataset(folder), Path(data))
    return take_home(
        Path(bundle), target, manifest=manifest, onnx=onnx, allow_code=allow_code, listener=listener
    )


def _writable(out: Path) -> Path:
    reason = why_not_writable(out)
    if reason:
        raise BadSetting(f"{out} cannot be written: {reason}.", remedy="Choose another place for the zip.")
    if out.suffix.lower() != ".zip" or out.is_dir():
        raise BadSetting(f"{out} is not the name of a zip.", remedy="Let it end in .zip.")
    if not out.resolve().parent.is_dir():
        raise BadSetting(f"There is no folder {out.resolve().parent}.", remedy="Make it first.")
    return out
