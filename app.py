"""Run headswap in a browser: settings -> service -> page -> launch. The environment is read here."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

from headswap.service.facade import Service
from headswap.service.settings import Settings
from headswap.ui.launch import browser_secret, launch
from headswap.ui.page import build_page

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Read the choices, build the house from the bottom up, open the door."""
    choices = ArgumentParser(description="Swap the head of a network, in your browser.")
    choices.add_argument(
        "--host", default=os.environ.get("GRADIO_SERVER_NAME"), help="0.0.0.0: the whole network"
    )
    choices.add_argument("--port", type=int, help="default: the first free one from 7860")
    choices.add_argument(
        "--workspace", type=Path, default=os.environ.get("HEADSWAP_WORKSPACE", HERE / "workspace")
    )
    chosen = choices.parse_args()
    workspace = Path(chosen.workspace).resolve()
    with Service(Settings(workspace=workspace, sample=HERE / "assets" / "sample" / "train")) as service:
        launch(build_page(service, secret=browser_secret(workspace)), host=chosen.host, port=chosen.port)


if __name__ == "__main__":
    main()
