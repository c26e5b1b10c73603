"""The look: gradio's variables set from our tokens, our style sheets, and nothing from another host."""

from __future__ import annotations

import gradio as gr
import htpy as h
from markupsafe import Markup

from headswap.app.ui.widgets.html import rendered, web_text

SANS = ("-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "Arial", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")
COLOURS = {
    "body_background_fill": "--hs-paper",
    "body_text_color": "--hs-ink",
    "body_text_color_subdued": "--hs-ink-3",
    "background_fill_primary": "--hs-surface",
    "background_fill_secondary": "--hs-paper",
    "block_background_fill": "--hs-surface",
    "block_border_color": "--hs-line",
    "block_label_text_color": "--hs-ink-2",
    "block_label_background_fill": "--hs-surface",
    "block_info_text_color": "--hs-ink-3",
    "block_title_text_color": "--hs-ink",
    "border_color_primary": "--hs-line",
    "border_color_accent": "--hs-accent",
    "color_accent_soft": "--hs-accent-soft",
    "link_text_color": "--hs-accent",
    "link_text_color_hover": "--hs-accent-hover",
    "input_background_fill": "--hs-surface",
    "input_border_color": "--hs-line-strong",
    "input_border_color_focus": "--hs-accent",
    "input_placeholder_color": "--hs-ink-3",
    "checkbox_background_color": "--hs-surface",
    "checkbox_background_color_selected": "--hs-accent",
    "checkbox_border_color": "--hs-line-strong",
    "checkbox_border_color_selected": "--hs-accent",
    "checkbox_label_background_fill": "--hs-surface",
    "checkbox_label_text_color": "--hs-ink",
    "slider_color": "--hs-accent",
    "button_primary_background_fill": "--hs-accent",
    "button_primary_background_fill_hover": "--hs-accent-hover",
    "button_primary_border_color": "--hs-accent",
    "button_primary_text_color": "--hs-on-accent",
    "button_secondary_background_fill": "--hs-surface",
    "button_secondary_background_fill_hover": "--hs-sunken",
    "button_secondary_border_color": "--hs-line-strong",
    "button_secondary_text_color": "--hs-ink",
}
MARK_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 28 28'%3E%3Cpath d='M3 "
    "15.5a11 11 0 0 0 "
    "22 0Z' fill='%231b1a17'/%3E%3Cpath d='M3.8 11.5a11 11 0 0 1 22 0Z' fill='none' stroke='%231d46c9' "
    "stroke-width='2.2'/%3E%3C/svg%3E"
)


def theme() -> gr.themes.Base:
    """Gradio's plain theme with every colour taken from a token, light and dark alike."""
    values = {name: f"var({token})" for name, token in COLOURS.items()}
    values |= {f"{name}_dark": value for name, value in values.items()}
    plain = gr.themes.Base(font=list(SANS), font_mono=list(MONO), text_size=gr.themes.sizes.text_md)
    return plain.set(
        **values,
        block_border_width="0px",
        block_shadow="none",
        block_radius="8px",
        block_padding="0px",
        input_border_width="1px",
        input_radius="8px",
        button_border_width="1px",
        button_large_radius="8px",
        button_medium_radius="8px",
        button_small_radius="8px",
        button_large_text_weight="600",
        button_medium_text_weight="600",
        layout_gap="24px",
    )


def page_head() -> str:
    """Our style sheets and icon, for the head of the page: gradio would move the tokens off the root."""
    names = (
        "tokens.css",
        "page.css",
        "gradio.css",
        "pictures.css",
        "take_home.css",
        "steps.css",
        "many.css",
        "label.css",
        "runs.css",
        "learn.css",
    )
    sheets = "".join(web_text(name) for name in names)
    return rendered(
        (
            h.link(rel="icon", href=MARK_ICON),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.style[Markup(sheets)],
            h.script[Markup(web_text("class-room.js"))],
        )
    )
