from __future__ import annotations

import zipfile
from pathlib import Path

from headswap.ui.take_home import contents_table


def test_every_file_of_the_zip_is_named_with_its_purpose_and_size(tmp_path: Path) -> None:
    packed = tmp_path / "mine.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("weights.safetensors", b"0" * 2_500_000)
        archive.writestr("report.json", b"{}")

    table = contents_table(packed)

    assert "2 files, 2.5\u00a0MB unpacked" in table
    assert "The numbers of the network, body and new head" in table
    assert "2\u00a0B" in table
