"""A folder or a zip is opened; what cannot be used is refused with what to do."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from headswap.data.upload import open_upload
from headswap.errors import BadUpload, TooFewImages, UnreadableImage


def filled(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder_is_read_in_place(tmp_path: Path) -> None:
    filled(tmp_path / "pets", "cat/1.JPG", "dog/2.png", ".hidden/3.jpg")

    with open_upload(tmp_path / "pets") as upload:
        assert upload.name == "pets"
        assert upload.in_place
        assert [(placed.file, upload.read(placed)) for placed in upload.placed] == [
            ("cat/1.JPG", b"cat/1.JPG"),
            ("dog/2.png", b"dog/2.png"),
        ]


def test_a_zip_is_read_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("pets/cat/1.jpg", "pets/dog/2.jpg", "__MACOSX/pets/cat/._1.jpg"):
            archive.writestr(name, name)

    with open_upload(path) as upload:
        assert not upload.in_place
        assert {placed.class_name: upload.read(placed) for placed in upload.placed} == {
            "cat": b"pets/cat/1.jpg",
            "dog": b"pets/dog/2.jpg",
        }


def test_links_that_lead_outside_are_not_followed(tmp_path: Path) -> None:
    secret = filled(tmp_path / "secret", "x.jpg")
    root = filled(tmp_path / "pets", "cat/1.jpg", "dog/2.jpg")
    (root / "cat/out.jpg").symlink_to(secret / "x.jpg")
    (root / "cat/in.jpg").symlink_to(root / "dog/2.jpg")
    (root / "horse").symlink_to(secret, target_is_directory=True)
    (root / "cat/round.jpg").symlink_to(root / "cat/round.jpg")
    os.mkfifo(root / "cat/pipe.jpg")

    with open_upload(root) as upload:
        assert [placed.file for placed in upload.placed] == ["cat/1.jpg", "cat/in.jpg", "dog/2.jpg"]
        assert sorted(left.reason for left in upload.left_out) == [
            "horse is a link to a folder, which is not followed.",
            "out.jpg is a link to a place outside the folder.",
            "pipe.jpg is not a file.",
            "round.jpg is not a file.",
        ]


def test_a_name_that_is_not_unicode_is_left_out(tmp_path: Path) -> None:
    root = filled(tmp_path / "pets", "cat/1.jpg", "dog/2.jpg")
    Path(os.fsdecode(os.fsencode(root / "cat") + b"/\xff\xfe.jpg")).write_bytes(b"x")

    with open_upload(root) as upload:
        assert [left.reason[-52:] for left in upload.left_out] == [
            "has a name with letters that cannot be read; rename it."[-52:]
        ]
        upload.left_out[0].file.encode()


def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path: Path) -> None:
    root = filled(tmp_path / "pets", "cat/1.jpg", "dog/2.jpg")

    with open_upload(root) as upload:
        (root / "cat/1.jpg").unlink()
        with pytest.raises(UnreadableImage, match=r"1\.jpg cannot be opened: No such file"):
            upload.read(upload.placed[0])


@pytest.mark.parametrize(
    ("names", "error", "sentence"),
    [
        ((), BadUpload, "pets holds no pictures. Give a folder with one folder of pictures for each class"),
        ((".DS_Store",), BadUpload, "pets holds no pictures."),
        (
            ("1.jpg", "2.jpg"),
            BadUpload,
            "pets holds 2 pictures but no class folders. Put the pictures of each class into a folder named",
        ),
        (
            ("cat/1.jpg", "cat/2.jpg"),
            TooFewImages,
            "pets holds one class only: cat. Add a folder of pictures",
        ),
    ],
    ids=["empty", "litter only", "no class folders", "one class"],
)
def test_what_cannot_be_used_says_what_to_do(
    tmp_path: Path, names: tuple[str, ...], error: type[Exception], sentence: str
) -> None:
    root = filled(tmp_path / "pets", *names)
    root.mkdir(exist_ok=True)

    with pytest.raises(error) as refusal, open_upload(root):
        pass

    assert str(refusal.value).startswith(sentence)


def test_one_class_is_enough_to_evaluate(tmp_path: Path) -> None:
    with open_upload(filled(tmp_path / "pets", "cat/1.jpg"), min_classes=1) as upload:
        assert len(upload.placed) == 1


def test_a_missing_path_and_an_image_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(BadUpload, match=r"There is nothing at .*nowhere\. Check the path"),
        open_upload(tmp_path / "nowhere"),
    ):
        pass
    filled(tmp_path, "cat.jpg")
    with (
        pytest.raises(BadUpload, match=r"cat\.jpg is not a zip that can be opened"),
        open_upload(tmp_path / "cat.jpg"),
    ):
        pass
