"""What the page writes is escaped unless it is marked; gradio is given text."""

from __future__ import annotations

import gradio as gr
import htpy as h

from headswap.app.ui.widgets.html import fragment, rendered, written


def test_a_name_from_a_file_cannot_become_markup_in_words_or_in_an_attribute() -> None:
    drawn = rendered(h.p(title="\" onclick='a()'")["<img src=x onerror=\"a('b')\">"])

    assert drawn == (
        '<p title="&#34; onclick=&#39;a()&#39;">&lt;img src=x onerror=&#34;a(&#39;b&#39;)&#34;&gt;</p>'
    )


def test_nothing_is_an_empty_text() -> None:
    assert rendered(None) == rendered([None, False]) == ""
    assert fragment().value == ""


def test_gradio_is_given_text_and_its_own_updates_as_they_are() -> None:
    drawn, emptied, kept, name = gr.HTML(), gr.HTML(), gr.HTML(), gr.Textbox()

    shown = written({drawn: h.b["a & b"], emptied: None, kept: gr.skip(), name: "a & b"})

    assert shown == {drawn: "<b>a &amp; b</b>", emptied: "", kept: gr.skip(), name: "a & b"}
    assert type(shown[drawn]) is str
