"""Where pictures come from: one list of endings, and a zip writer that is what its authors published."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

from headswap.app.ui.steps.dataset import PICKER
from headswap.app.ui.steps.try_many import CHOOSER
from headswap.app.ui.widgets.html import rendered, vendored, web_text
from headswap.data.decode import ENDINGS, ImageLimits
from headswap.data.film import FILM_ENDINGS
from headswap.data.layout import is_image_name
from headswap.data.store import STORE_PX

# client-zip 2.5.1 as npm has it: package/worker.js and package/LICENSE.txt
PINNED = {
    "client-zip.js": "e8f80c27cef00bc171e8cf2a07fbbe13967fc93245d7ae8b81d5d0334fa5efd6",
    "client-zip-LICENSE.txt": "83a2636dca08f6f9449270dadebf88b54ff574198057c8764f019e23fd9dc596",
}


def test_what_others_wrote_is_what_they_published_and_its_licence_travels_with_it() -> None:
    folder = files("headswap.app.ui") / "web" / "vendor"

    found = {item.name: hashlib.sha256(item.read_bytes()).hexdigest() for item in folder.iterdir()}

    assert found == PINNED
    assert "Copyright" in vendored("client-zip")
    assert web_text("vendor/client-zip.js") in vendored("client-zip")


def test_every_file_chooser_offers_the_same_endings() -> None:
    for piece in (PICKER, CHOOSER):
        assert f'data-endings="{",".join((*ENDINGS, *FILM_ENDINGS))}"' in rendered(piece)
    assert all(is_image_name(f"x{ending.upper()}") for ending in (*ENDINGS, *FILM_ENDINGS))
    for script in ("picker.js", "edits.js", "live.js", "many.js"):
        assert "accept: 'image/*'" not in web_text(script)
        assert re.search(r"\baccept\b", web_text(script))


def test_what_is_packed_keeps_as_much_of_a_picture_as_the_server_does() -> None:
    script = web_text("pack.js")

    assert f"SHORTER_SIDE = {STORE_PX}," in script
    assert f"LARGEST_IMAGE = {ImageLimits().size_bytes:_}," in script
