"""The list that every network is searched in: 1,490 names, which come when someone begins to search.

Sent to each page that was opened, it cost every pupil's browser a fifth of a second; hardly anyone searches.
"""

from __future__ import annotations

import gradio as gr

from headswap.app.service.service import Service
from headswap.app.ui.widgets.cards import search_choices


def every_network(service: Service) -> gr.Dropdown:
    """The list with its marks, as it is now."""
    return gr.Dropdown(choices=search_choices(service.networks.models(), service.fetching.reasons_against()))


def waits(box: str) -> str:
    """Script for the first look at the box: says that the list is on its way, if it takes a moment."""
    return f"() => {{ const box = document.querySelector('{box}'); box.dataset.list ||= 'on its way'; }}"


def has_ended(box: str) -> str:
    """Script for the moment when the list was asked for and has come, or has not."""
    return f"() => {{ document.querySelector('{box}').dataset.list = 'asked for'; }}"


def narrowed(box: str) -> str:
    """Script for the moment when the list has come: what was typed meanwhile narrows it.

    gradio's dropdown looks at what is typed when a key goes down; this one types nothing.
    """
    return f"""() => {{
  const box = document.querySelector('{box} input');
  if (box?.value && box === document.activeElement) {{
    setTimeout(() => box.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Shift', bubbles: true}})));
  }}
}}"""


def only_chosen(box: str) -> str:
    """Script for the question after a choice: the name, or none where the box was only left."""
    return f"""(project, name) => {{
  const {{ dataset }} = document.querySelector('{box}'), isChosen = dataset.chosen;
  delete dataset.chosen;
  return [project, isChosen ? name : null];
}}"""
