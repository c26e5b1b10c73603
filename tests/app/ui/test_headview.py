from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from headswap.app.ui.steps.headview import evidence, head_view, intro, new_head_text
from headswap.app.ui.widgets.html import rendered
from headswap.pipeline.inspect import Inspection


def test_the_new_head_is_as_large_as_the_names_of_the_person(inspection: Inspection) -> None:
    drawn = rendered(head_view(inspection, ("bird", "bug", "fruit", "vehicle")))

    assert new_head_text(inspection, 4) == "2048 features → 4 names · 8,196 numbers to learn"
    assert "2048 → 4 · 8,196 numbers" in drawn
    assert all(f">{name}</text>" in drawn for name in ("bird", "bug", "fruit", "vehicle"))


def test_before_there_are_images_the_new_head_waits_for_names(inspection: Inspection) -> None:
    drawn = rendered(head_view(inspection, ()))

    assert "your names" in drawn
    assert "→ 0 " not in drawn


def test_both_drawings_are_well_formed_whatever_the_names(inspection: Inspection, hostile: str) -> None:
    drawn = rendered(head_view(inspection, (hostile, "a & b", "mug")))

    assert hostile not in drawn
    for svg in ("wide", "tall"):
        start = drawn.index(f'<svg class="{svg}"')
        ElementTree.fromstring(drawn[start : drawn.index("</svg>", start) + len("</svg>")])


def test_twelve_stages_are_drawn_as_eight_and_none_is_lost(inspection: Inspection) -> None:
    drawn = rendered(head_view(inspection, ()))

    wide = drawn[: drawn.index('<svg class="tall"')]
    assert wide.count('class="stage"') == 8
    assert all(stage.path in wide for stage in (inspection.stages[0], inspection.stages[-1]))


def test_many_classes_are_counted_and_not_all_drawn(inspection: Inspection) -> None:
    drawn = rendered(head_view(inspection, tuple(f"class {i}" for i in range(40))))

    assert "… 40 names" in drawn
    assert "class 30" not in drawn


def test_a_network_without_names_and_stages_is_drawn_too(inspection: Inspection) -> None:
    bare = replace(inspection, class_names=(), stages=())

    assert (
        rendered(head_view(bare, ("a", "b"))).count("cut word") == 6
    )  # strokes stand for the three names, twice


def test_the_evidence_names_what_was_not_chosen_and_why(inspection: Inspection) -> None:
    words = rendered(evidence(inspection))

    assert "Its answers came straight out of fc." in words
    assert "<code>conv1</code>, Conv2d 64 × 3 × 7 × 7. Not chosen: it is the first." in words


def test_features_are_explained_where_they_are_said_first(inspection: Inspection) -> None:
    drawn = rendered(head_view(inspection, ("a", "b")))
    bare = rendered(head_view(replace(inspection, site=replace(inspection.site, new_head=True)), ("a", "b")))

    for html, names in ((drawn, 1000), (bare, 2)):
        assert html.count('aria-label="features? ') == 1
        assert html.index("2048 features <button") < html.index(f"</button> → {names} names")


def test_the_opening_says_what_the_old_head_gives_scores_to(inspection: Inspection) -> None:
    assert "gives scores to 1,000 names such as “tench”" in rendered(intro(inspection.card, inspection))
    assert "turns what it saw into an answer" in rendered(
        intro(replace(inspection.card, num_classes=0), None)
    )


def test_code_in_the_evidence_is_code_and_a_reason_ends_with_one_stop(inspection: Inspection) -> None:
    said = rendered(
        evidence(replace(inspection, site=replace(inspection.site, evidence=("It is `a<b` here.",))))
    )

    assert "It is <code>a&lt;b</code> here." in said
    assert ".." not in said
