from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from headswap.app.service.history import RunSummary, RunView
from headswap.app.ui.steps.report_summary import hardest, of_run, summary, trust
from headswap.app.ui.widgets.html import rendered
from headswap.evaluation.report import Report


def test_the_verdict_names_the_count_the_interval_and_the_baseline(report: Report) -> None:
    words = rendered(summary(report))

    assert "2 of 3 exam pictures right" in words
    assert "probably 21–94" in words
    assert "would get 67" in words


def test_a_cross_validated_verdict_says_how_it_was_examined(report: Report) -> None:
    words = rendered(summary(replace(report, method="cross-validated")))

    assert "each time on pictures that it had not practised on" in words
    assert "Of the 0 locked-away pictures alone, 0 were right: so few say too little." in words
    assert 'aria-label="folds? ' in words
    assert 'aria-label="folds? ' not in rendered(summary(report))


def test_a_verdict_names_its_network_and_its_run() -> None:
    run = RunView(
        id="a", project="p", project_name="n", created_at=1_700_000_000.0, model="timm/<b>net", images_key="",
        depth="last", state="done", share=1.0, problem="", is_shown=True, seconds=None, parameters=None,
        size_bytes=None, ms_per_image=None,
        summary=RunSummary(accuracy=0.5, interval=(0, 1), right=1, total=2, images=3, depth="last"),
    )  # fmt: skip

    words = rendered(of_run(run, 1))

    assert "<code>&lt;b&gt;net</code>, “Head and last part”, taught on 1 practice picture," in words
    assert 'datetime="2023-11-14T22:13:20Z"' in words


def test_the_ruler_is_well_formed_at_both_ends_of_the_scale(report: Report) -> None:
    for accuracy in (0.0, 0.5, 1.0):
        words = rendered(summary(replace(report, accuracy=accuracy, interval=(0.0, 1.0))))
        start = words.index("<svg")
        ElementTree.fromstring(words[start : words.index("</svg>") + len("</svg>")])


def test_trust_counts_every_answer_once(report: Report) -> None:
    words = rendered(trust(report))

    assert "right 1 of 1" in words  # 90 % sure
    assert "right 0 of 1" in words  # 70 % sure
    assert words.count("<i></i>") + words.count('<i class="no"></i>') == 3


def test_an_older_report_is_told_by_the_same_sentence_as_a_new_one(report: Report) -> None:
    words = rendered(trust(report))

    assert "Its sureness is nearly right: off by 10\u00a0% on average." in words
    assert "It was at least 90\u00a0% sure of 1 answer, and right in 1." in words


def test_the_hardest_image_comes_first(report: Report) -> None:
    words = rendered(hardest(report, {}))

    assert words.index("b.png") < words.index("c.png") < words.index("a.png")
    assert "1 of these 3 wrong." in words


def test_names_stay_text(report: Report, hostile: str) -> None:
    assert hostile not in rendered(summary(report)) + rendered(hardest(report, {})) + rendered(trust(report))


def test_what_the_report_says_of_its_sureness_is_said(report: Report) -> None:
    assert "Its sureness can be trusted." in rendered(
        trust(replace(report, reliability="Its sureness can be trusted."))
    )
