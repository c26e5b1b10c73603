"""`headswap.export`: from a bundle to the zip or the web page that a person takes along."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from headswap.bundle.format import opened, read_dataset
from headswap.bundle.predictor import Bundle, load_bundle
from headswap.errors import BadSetting
from headswap.events import Listener, silent
from headswap.exports.litert import check_litert
from headswap.exports.package import located, take_home
from headswap.exports.parity import ParityCheck
from headswap.exports.teachable_machine import write_teachable_machine
from headswap.exports.webpage import WEB_PAGE, pack_site, write_page
from headswap.storage.locations import why_not_writable

ZipForm = Literal["programs", "openvino", "litert", "site", "teachable-machine"]
_PAGES = (".html", ".htm")


def export(
    bundle: str | Path,
    out: str | Path,
    *,
    data: str | Path | None = None,
    onnx: bool = True,
    form: ZipForm = "programs",
    allow_code: bool = False,
    listener: Listener = silent,
) -> ParityCheck:
    """Pack a bundle to be taken along, and measure that everything in it agrees with the bundle.

    Args:
        bundle: the folder or zip that `train` wrote.
        out: where it goes, replaced as a whole. A name that ends in .html gives one web page; .zip what
            `form` says.
        data: the images it was trained on: ten of these travel in the zip of programs and are checked; on its
            test it is measured how far other programs differ. None: drawings only.
        onnx: whether to write model.onnx.
        form: of a zip. "programs": predict.py, ONNX and a model card; "openvino": the same with OpenVINO's
            model.xml as well; "litert": with LiteRT's model.tflite and, given `data`, a smaller one of eight
            bits whose accuracy was measured; "site": the web page, ready for a web host;
            "teachable-machine": Teachable Machine's format, for Scratch, ml5 and others.
        allow_code: let a bundle trained on your own code import that code.
        listener: hears how far it is, and what the smaller network loses, before the zip is written.

    Returns:
        How closely each way to ask agrees with the bundle; what could not be made says why.

    Raises:
        BundleDamaged: there is no whole bundle there.
        BadSetting: an ending, or choices, that do not go together.
        BadUpload: `data` cannot be opened.
        DiskFull: nothing was written.
        NoPage, NoOnnx: this network cannot become a web page.
        NoTeachableMachine: it cannot be written in that format.
        NoLiteRt: the extra "lite" is missing.
    """
    target = Path(out)
    is_page = target.suffix.lower() in _PAGES
    _check(target, is_page=is_page)
    if is_page or form in ("site", "teachable-machine"):
        takes_images = form == "teachable-machine" and not is_page
        if (data and not takes_images) or not onnx:
            raise BadSetting(
                "Only the zip of programs takes pictures along, or leaves model.onnx out.",
                remedy="Leave --pictures and --no-onnx out.",
            )
        with opened(Path(bundle)) as folder:
            loaded = load_bundle(folder, allow_code=allow_code)
            if is_page:
                return write_page(loaded, folder, target)
            if form == "site":
                return _site(loaded, folder, target)
            dataset = read_dataset(folder)
            manifest = located(dataset, Path(data)) if data else None
            return write_teachable_machine(loaded, target, title=dataset.name, manifest=manifest)
    if form == "litert":
        check_litert()
    manifest = None
    if data:
        with opened(Path(bundle)) as folder:
            manifest = located(read_dataset(folder), Path(data))
    return take_home(
        Path(bundle),
        target,
        manifest=manifest,
        onnx=onnx,
        also=form if form in ("openvino", "litert") else None,
        allow_code=allow_code,
        listener=listener,
    )


def _site(bundle: Bundle, folder: Path, target: Path) -> ParityCheck:
    with tempfile.TemporaryDirectory(prefix="headswap-", ignore_cleanup_errors=True) as temporary:
        page = Path(temporary) / WEB_PAGE
        check = write_page(bundle, folder, page)
        pack_site(page, target)
    return check


def _check(out: Path, *, is_page: bool) -> None:
    reason = why_not_writable(out)
    if reason:
        raise BadSetting(f"{out} cannot be written: {reason}.", remedy="Choose another place.")
    if out.is_dir() or not (is_page or out.suffix.lower() == ".zip"):
        raise BadSetting(
            f"{out} is not the name of a zip or a web page.", remedy="Let it end in .zip or .html."
        )
    if not out.resolve().parent.is_dir():
        raise BadSetting(f"There is no folder {out.resolve().parent}.", remedy="Make it first.")
