from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headswap.app.service.projects import Projects
from headswap.app.service.retention import sweep_projects
from headswap.storage.files import write_text


def filled(folder: Path, text: str = "{}") -> Path:
    (folder / "images").mkdir(parents=True)
    write_text(folder / "images" / "1.jpg", "picture")
    write_text(folder / "dataset.json", text)
    return folder


def test_only_what_something_leads_to_stays(tmp_path: Path) -> None:
    projects = Projects(tmp_path)
    project = projects.create("ann")
    place = projects.folder(project.id)
    for name in ("0000000a", "0000000b", "0000000c", "0000000d"):
        filled(place / f"data-{name}")
    filled(place / "data-0000000e")
    filled(place / "data-0000000f")
    kept, orphan = "a" * 64 + ".jpg", "b" * 64 + ".png"
    (place / "images").mkdir()
    for name in (kept, orphan):
        write_text(place / "images" / name, "picture")
    write_text(place / "data-0000000e" / "dataset.json", f'["data-0000000f/images/1.jpg", "{kept}"]')
    write_text(place / "weights-0000000a.pt", "used")
    write_text(place / "weights-0000000b.pt", "half")
    projects.save(replace(project, data="data-0000000e", weights="weights-0000000a.pt"))
    write_text(place / "changes.json", '{"changes": [{"before": "data-0000000a"}]}')
    write_text(place / "project.json.draft-12345678", "half")

    gone = sweep_projects(tmp_path, lambda _: ['{"source": "/here/data-0000000b/dataset.json"}'])

    assert gone == 5
    assert [path.name for path in (place / "images").iterdir()] == [kept]
    assert sorted(path.name for path in place.iterdir()) == [
        "changes.json",
        "data-0000000a",  # Undo leads there
        "data-0000000b",  # a run does
        "data-0000000e",  # the project does
        "data-0000000f",  # its pictures are there
        "images",
        "project.json",
        "project.json.before",
        "weights-0000000a.pt",
    ]
    assert sweep_projects(tmp_path, lambda _: ["data-0000000b"]) == 0


def test_a_project_without_a_record_goes_only_when_it_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / ("0" * 32)).mkdir()
    filled(tmp_path / ("1" * 32) / "data-0000000a")

    assert sweep_projects(tmp_path) == 1
    assert sweep_projects(tmp_path / "never") == 0

    assert [path.name for path in tmp_path.iterdir()] == ["1" * 32]
