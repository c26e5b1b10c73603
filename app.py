"""Run headswap in a browser: settings -> service -> page -> launch. The environment is read here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from headswap.errors import HeadswapError
from headswap.jobs.logbook import kept_log
from headswap.service.choices import read_choices, start_words
from headswap.service.facade import Service
from headswap.service.temporary import temporary_folder


def main() -> int:
    """Read the choices, build the house from the bottom up, open the door."""
    try:
        choices = read_choices(None, os.environ, Path(__file__).resolve().parent)
        settings = choices.settings
        log = kept_log(settings.workspace / "logs")
        with log, temporary_folder(settings.workspace) as folder, Service(settings) as service:
            os.environ["GRADIO_TEMP_DIR"] = str(folder)
            sys.stdout.write(start_words(choices))
            from headswap.ui.api import publish  # gradio takes seconds; the first network opens meanwhile
            from headswap.ui.launch import browser_secret, launch
            from headswap.ui.page import build_page

            page = build_page(service, secret=browser_secret(settings.workspace))
            publish(page, service)
            launch(page, choices.door, service)
    except HeadswapError as error:
        sys.stderr.write(f"headswap: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
