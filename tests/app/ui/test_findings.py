from __future__ import annotations

from dataclasses import replace

from headswap.app.ui.steps.findings import checks, count_warnings, pair_images
from headswap.app.ui.widgets.html import rendered
from headswap.data.manifest import Finding, Manifest, SkippedFile


def with_findings(manifest: Manifest, *findings: Finding) -> Manifest:
    return replace(manifest, findings=findings)


def test_every_file_left_out_is_named_with_its_reason(manifest: Manifest) -> None:
    many = tuple(SkippedFile(file=f"{i}.txt", reason="It is not a picture.") for i in range(30))

    words = rendered(checks(replace(manifest, left_out=many), {}))

    assert "30 files were left out." in words
    assert all(f"{i}.txt" in words for i in range(30))


def test_a_finding_shows_the_images_it_is_about_and_survives_missing_ones(manifest: Manifest) -> None:
    assert [image.file for image in pair_images(manifest)] == ["mug/1.png"]
    assert "data:,one" in rendered(checks(manifest, {"3-1": "data:,one"}))


def test_without_findings_there_is_good_news(manifest: Manifest) -> None:
    words = rendered(checks(replace(manifest, findings=(), left_out=()), {}))

    assert "Enough of each." in words
    assert "At least 12 in every class" in words
    assert "Every file could be read." in words


def test_each_finding_has_the_button_that_mends_it(manifest: Manifest) -> None:
    copies = Finding(
        code="duplicates", sentence="1 file is an exact copy; it stays.", files=("mug/1.png", "mug/2.png"),
        spare=("mug/2.png",),
    )  # fmt: skip
    alike = replace(copies, code="near-duplicates")
    leak = replace(copies, code="leak")
    few = Finding(code="few", sentence="Few pictures of mug (3): more are better.", classes=("mug",))
    shape = Finding(code="shape", sentence="Almost all are wide.")

    words = rendered(checks(with_findings(manifest, copies, alike, leak, few, shape), {}))

    assert 'data-edit="mend" data-name="duplicates">Leave the copies out' in words
    assert 'data-edit="mend" data-name="near-duplicates">Keep one of each' in words
    assert 'data-edit="mend" data-name="leak">Leave it out' in words
    assert words.count('data-edit="show"') == 3
    assert words.count("data-add=") == 1
    assert "<b>1 file is an exact copy.</b>" in words
    assert "It stays." in words
    assert count_warnings(with_findings(manifest, copies, replace(shape, code="given-parts"))) == 1


def test_class_and_file_names_stay_text(manifest: Manifest, hostile: str) -> None:
    few = Finding(code="few", sentence=f"Few pictures of {hostile}.", classes=(hostile,))

    drawn = rendered(checks(with_findings(manifest, few), {}))

    assert hostile not in drawn
    assert "notes&lt;b&gt;.txt" in drawn
