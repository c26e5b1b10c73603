"""What step 2 says of a film that comes from a link."""

from __future__ import annotations

import pytest

from headswap.app.service.film_links import FilmView
from headswap.app.ui.steps.film_link import film_text
from headswap.app.ui.widgets.html import rendered


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (FilmView(state="waiting"), "Asking for the film."),
        (FilmView(state="fetching", done=1_500_000, total=3_000_000), "1.5 of 3.0 MB have come."),
        (FilmView(state="fetching", done=1_500_000), "1.5 MB have come."),
        (FilmView(state="reading"), "Reading the film."),
        (FilmView(state="done", frames=1), "The film is here and gave 1 picture."),
        (
            FilmView(state="failed", problem="<b> is no film.", remedy="Give another."),
            "&lt;b&gt; is no film.",
        ),
    ],
)
def test_each_state_has_its_sentence(view: FilmView, words: str) -> None:
    said = film_text(view)

    assert said is not None
    assert words in rendered(said)
    assert film_text(FilmView()) is None
