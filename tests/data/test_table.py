"""Labels of a table become classes and parts."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from headswap.data.ingest import ingest
from headswap.data.layout import FolderLayout
from headswap.data.manifest import ImageRecord, Manifest, joined
from headswap.data.split import split
from headswap.data.table import labels_from_table
from headswap.data.upload import store_for
from headswap.errors import BadUpload
from headswap.storage.files import from_json, to_json

IMAGES = [f"images/{number}.jpg" for number in range(6)]


def of(text: str, *, name: str = "labels.csv", images: list[str] = IMAGES) -> FolderLayout:
    layout = labels_from_table([*images, name], {name: text.encode()}.__getitem__)
    assert layout is not None
    return layout


def classes(layout: FolderLayout) -> dict[str, str]:
    return {placed.file: placed.class_name for placed in layout.placed}


def test_a_table_names_files_by_path_by_name_or_without_the_ending() -> None:
    wanted = {"images/0.jpg": "mug", "images/1.jpg": "pen", "images/2.jpg": "mug"}

    for way in ("images/{}.jpg", "{}.jpg", "{}", "./images/{}.jpg", "images\\{}.jpg"):
        rows = [f"{way.format(number)},{name}" for number, name in enumerate(("mug", "pen", "mug"))]
        assert classes(of("file,label\n" + "\n".join(rows))) == wanted, way


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_usual_separator_and_any_name_of_the_columns(separator: str) -> None:
    lines = ("id breed age", "0 boxer 13", "1 poodle 9", "2 boxer 15", "3 poodle 11")

    layout = of("\ufeff" + "\r\n".join(line.replace(" ", separator) for line in lines), name="train.csv")

    assert set(classes(layout).values()) == {"boxer", "poodle"}
    assert layout.findings[0].sentence == 'The classes are those of train.csv: its columns "id" and "breed".'


def test_image_folders_of_hugging_face_keep_their_parts() -> None:
    images = ["train/a.png", "train/b.png", "test/a.png"]
    tables = {
        "train/metadata.jsonl": b'{"file_name": "a.png", "label": "cat"}\n'
        b'{"file_name": "b.png", "label": 1}\n',
        "test/metadata.csv": b"file_name,label\na.png,Cat\n",
    }

    layout = labels_from_table([*images, *tables], tables.__getitem__)

    assert layout is not None
    assert {one.file: (one.class_name, one.given_part) for one in layout.placed} == {
        "train/a.png": ("cat", "train"), "train/b.png": ("1", "train"), "test/a.png": ("cat", "test"),
    }  # fmt: skip


def test_a_column_of_parts_is_no_class() -> None:
    layout = of("file,split,label\n0,train,a\n1,test,b\n2,train,b\n3,val,a")

    assert [one.given_part for one in layout.placed] == ["train", "test", "train", "validation"]


def test_what_is_not_understood_is_named() -> None:
    layout = of("file,label\n0,mug\n1,\n2,mug\n2,pen\n2,pen\n77.jpg,mug\n3,pen\n4,mug")

    assert classes(layout) == {"images/0.jpg": "mug", "images/3.jpg": "pen", "images/4.jpg": "mug"}
    assert {left.file: left.reason for left in layout.left_out} == {
        "images/1.jpg": "1.jpg has no class in labels.csv.",
        "images/2.jpg": "2.jpg has two classes in labels.csv.",
        "77.jpg": "77.jpg stands in labels.csv, but is not there.",
        "images/5.jpg": "5.jpg has no row in the table.",
    }


SEVERAL = {
    "a semicolon": ("labels.csv", "file,label\n0,mug;cup\n1,mug\n2,cup; mug\n3,\n"),
    "a bar": ("labels.csv", "file,label\n0,mug|cup\n1,mug\n2,cup|mug\n3,\n"),
    "a comma": ("labels.csv", 'file,label\n0,"mug, cup"\n1,mug\n2,"cup, mug"\n3,\n4,cup\n'),
    "a space": ("train.csv", "image_name,tags\n0,mug cup\n1,mug\n2,cup mug\n3,\n4,cup\n"),
    "columns of 0 and 1": ("labels.csv", "file,cup,mug,width\n0,1,1,64\n1,0,1,64\n2,1,1,70\n3,0,0,64\n"),
    "several rows": ("labels.csv", "file,label\n0,mug\n0,cup\n1,mug\n2,cup\n2,mug\n"),
    "lists": (
        "metadata.jsonl",
        '{"file_name": "0.jpg", "labels": ["mug", "cup"]}\n{"file_name": "1.jpg", "labels": ["mug"]}\n'
        '{"file_name": "2.jpg", "labels": ["cup", "mug"]}\n{"file_name": "3.jpg", "labels": []}\n',
    ),
    "COCO": (
        "annotations/instances.json",
        json.dumps(
            {
                "images": [{"id": 10 + number, "file_name": f"{number}.jpg"} for number in range(4)],
                "categories": [{"id": 1, "name": "mug"}, {"id": 2, "name": "cup"}],
                "annotations": [
                    {"image_id": 10 + image, "category_id": kind}
                    for image, kind in ((0, 1), (0, 2), (0, 1), (1, 1), (2, 2), (2, 1))
                ],
            }
        ),
    ),
}


@pytest.mark.parametrize("layout", SEVERAL)
def test_several_labels_of_one_picture(layout: str) -> None:
    name, text = SEVERAL[layout]

    found = of(text, name=name)

    labels = {placed.file: placed.labels for placed in found.placed}
    assert labels["images/0.jpg"] == labels["images/2.jpg"] == ("cup", "mug")
    assert labels["images/1.jpg"] == ("mug",)
    assert labels.get("images/3.jpg", ()) == ()
    assert ("images/3.jpg" in labels) == (layout != "several rows")
    assert classes(found)["images/0.jpg"] == "cup + mug"
    assert [finding.code for finding in found.findings] == ["table"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", 'file,label\n0,"Bear, brown"\n1,"Bear, black"\n2,"Bear, brown"\n3,"Bear, black"\n'),
        ("labels.csv", "file,cup,mug\n0,1,0\n1,0,1\n2,1,0\n3,0,1\n"),
        (
            "metadata.jsonl",
            "".join(f'{{"file_name": "{n}.jpg", "label": ["{"ab"[n % 2]}"]}}\n' for n in range(4)),
        ),
    ],
)
def test_one_label_each_is_one_class_each_however_it_is_written(name: str, text: str) -> None:
    layout = of(text, name=name)

    assert {placed.labels for placed in layout.placed} == {None}
    assert len(set(classes(layout).values())) == 2


def test_folders_of_coco_are_no_classes(tmp_path: Path) -> None:
    for number, folder in enumerate(("train2017", "train2017", "val2017", "val2017")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (60 * number, 90, 90)).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "annotations.json").write_text(
        json.dumps(
            {
                "images": [{"id": number, "file_name": f"{number}.png"} for number in range(4)],
                "categories": [{"id": 7, "name": "mug"}, {"id": 8, "name": "pen"}],
                "annotations": [{"image_id": number, "category_id": 7 + number % 2} for number in range(4)],
            }
        )
    )

    assert ingest(tmp_path).manifest.counts == {"mug": 2, "pen": 2}


def workbook(*rows: tuple[str | int, ...]) -> bytes:
    """The least that Excel opens: one sheet after an empty one."""
    cells = "".join(
        "<row>"
        + "".join(
            f"<c><v>{one}</v></c>" if isinstance(one, int) else f'<c t="inlineStr"><is><t>{one}</t></is></c>'
            for one in row
        )
        + "</row>"
        for row in rows
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    of = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    links = "http://schemas.openxmlformats.org/package/2006/relationships"
    sheets = {"sheet1.xml": "", "sheet2.xml": cells}
    files = {
        "_rels/.rels": f'<Relationships xmlns="{links}"><Relationship Id="r0" Type="{of}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{of}"><sheets><sheet name="a" sheetId="1" '
        'r:id="r1"/><sheet name="b" sheetId="2" r:id="r2"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{links}">'
        + "".join(
            f'<Relationship Id="r{number}" Type="{of}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            for number in (1, 2)
        )
        + "</Relationships>",
    } | {
        f"xl/worksheets/{name}": f'<worksheet xmlns="{main}"><sheetData>{inside}</sheetData></worksheet>'
        for name, inside in sheets.items()
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


def test_a_spreadsheet_is_a_table_like_any_other() -> None:
    rows = [(name, index % 2, 1 - index % 2) for index, name in enumerate(IMAGES)]
    sheet = workbook(("file", "mug", "pen"), *rows)

    layout = labels_from_table([*IMAGES, "labels.xlsx"], {"labels.xlsx": sheet}.__getitem__)

    assert layout is not None
    assert {one.file: one.class_name for one in layout.placed} == {
        name: "mug" if mug else "pen" for name, mug, _ in rows
    }
    assert "labels.xlsx" in layout.findings[0].sentence


def test_a_csv_counts_before_a_spreadsheet_which_may_be_about_something_else() -> None:
    lines = "\n".join(f"{name},{'mug' if index % 2 else 'pen'}" for index, name in enumerate(IMAGES))
    files = {"labels.csv": f"file,label\n{lines}".encode(), "notes.xlsx": b"no workbook"}

    layout = labels_from_table([*IMAGES, *files], files.__getitem__)

    assert layout is not None
    assert len(layout.placed) == len(IMAGES)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("labels.xlsx", b"no workbook", "labels.xlsx is damaged, or locked by a password"),
        ("labels.xlsx", workbook(), "labels.xlsx names none of the pictures"),
        ("labels.numbers", b"", "labels.numbers is a spreadsheet of Numbers"),
    ],
)
def test_a_spreadsheet_that_cannot_be_read_is_one_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(BadUpload, match=sentence):
        labels_from_table([*IMAGES, name], {name: data}.__getitem__)


def test_damaged_coco_is_refused_with_an_example() -> None:
    with pytest.raises(BadUpload, match="looks like COCO") as refused:
        of('{"images": [{"id": 1}], "annotations": [], "categories": []}', name="coco.json")

    assert '"category_id": 3' in refused.value.remedy


def test_a_split_has_every_label_on_both_sides_and_near_duplicates_on_one() -> None:
    kinds = [("a",), ("a", "b"), ("b", "c"), ("c",), (), ("a", "c")]
    images = tuple(
        ImageRecord(
            file=f"{n}.png", source=f"{n}.png", class_name=joined(kinds[n % 6]), labels=kinds[n % 6],
            sha256=f"{n:064x}", width=9, height=9, fingerprint="0" * 64, brightness=0.5, group=n // 2,
        )
        for n in range(60)
    )  # fmt: skip
    manifest = split(Manifest(name="x", root="", classes=("a", "b", "c"), images=images))

    parts = {part: manifest.part(part) for part in ("train", "test")}
    assert {image.group for image in parts["train"]}.isdisjoint(image.group for image in parts["test"])
    assert all({name for image in some for name in image.names} == {"a", "b", "c"} for some in parts.values())
    assert 6 <= len(parts["test"]) <= 14
    assert manifest.counts == {"a": 30, "b": 20, "c": 30}
    again: Manifest = from_json(Manifest, to_json(manifest))
    assert again == manifest
    assert again.is_multi_label


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\nx,y\n", "names none of the pictures"),
        ("file,tall,old\n0,7,5\n1,6,5\n2,7,3\n3,6,3\n", "cannot be told"),
        ("file\n0\n1\n", "cannot be told"),
        ("", "names none of the pictures"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_an_example(text: str, said: str) -> None:
    with pytest.raises(BadUpload, match=said):
        of(text)


def test_a_broken_line_of_json_is_counted() -> None:
    with pytest.raises(BadUpload, match=r"Line 2 of metadata.jsonl is not a JSON object"):
        of('{"file_name": "0.jpg", "label": "a"}\n[1]\n', name="metadata.jsonl")


@pytest.mark.parametrize("is_zip", [False, True])
def test_a_folder_or_zip_with_a_table_is_taught_like_class_folders(is_zip: bool, tmp_path: Path) -> None:
    folder = tmp_path / "things"
    (folder / "images").mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (64, 64), (40 * number, 200 - 30 * number, 90)).save(folder / IMAGES[number])
    rows = "\n".join(f"{number}.jpg,{'mug' if number % 2 else 'pen'}" for number in range(6))
    (folder / "labels.csv").write_text(f"file,label\n{rows}\n", encoding="utf-8")
    source = folder
    if is_zip:
        source = tmp_path / "things.zip"
        with zipfile.ZipFile(source, "w") as packed:
            for path in sorted(folder.rglob("*.*")):
                packed.write(path, path.relative_to(folder).as_posix())

    manifest = ingest(source, store=tmp_path / "store" if is_zip else None).manifest

    assert manifest.counts == {"mug": 3, "pen": 3}
    assert [finding.code for finding in manifest.findings][:1] == ["table"]


def test_a_table_that_is_given_itself_says_the_classes_whatever_lies_next_to_it(tmp_path: Path) -> None:
    for name in ("one", "two"):  # folders that look like classes
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("RGB", (64, 64), (40 * number, 200, 90 * (name == "one"))).save(
                tmp_path / name / f"{name}{number}.png"
            )
    rows = "".join(
        f"{one}{number}.png,{'mug' if number % 2 else 'pen'}\n"
        for one in ("one", "two")
        for number in range(6)
    )
    table = tmp_path / "labels.csv"
    table.write_text(f"file,label\n{rows}", encoding="utf-8")
    (tmp_path / "prices.csv").write_text("thing,price\nmug,3\n")

    manifest = ingest(table, store=store_for(table, tmp_path / "store")).manifest

    assert manifest.counts == {"mug": 6, "pen": 6}
    assert Path(manifest.root) == tmp_path.resolve()  # read in place, and to be read again there
    assert all(manifest.path(image).is_file() for image in manifest.images)
    assert [left.file for left in manifest.left_out] == ["prices.csv"]
    assert manifest.name == tmp_path.name
    with pytest.raises(BadUpload, match=r"prices.csv names none of the pictures next to it"):
        ingest(tmp_path / "prices.csv")
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(BadUpload, match=r"notes.json says no labels of pictures"):
        ingest(tmp_path / "notes.json")


def test_a_table_about_something_else_beside_class_folders_changes_nothing(tmp_path: Path) -> None:
    for name in ("mug", "pen"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (64, 64), (40 * number, 90, 90)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "prices.csv").write_text("thing,price\nmug,3\n")

    assert ingest(tmp_path).manifest.counts == {"mug": 3, "pen": 3}
