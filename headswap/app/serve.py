"""The page from its settings to its end: settings → service → page → launch.

Flow:  Options --serve--> a page that answers until Ctrl-C or SIGTERM

What would only come out after seconds of loading is looked at first: whether gradio is installed, whether the
workspace can be written, whether the address is free.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import MutableMapping
from importlib.util import find_spec

from headswap.app.jobs.cluster import ClusterWatch, watch_of
from headswap.app.processes.logs import kept_log
from headswap.app.service.options import Options, ServerAddress, start_text
from headswap.app.service.service import Service
from headswap.app.service.settings import Settings
from headswap.app.service.temporary import temporary_folder
from headswap.app.ui.quick_import import without_editor_files
from headswap.cluster.crew import ClusterLost
from headswap.cluster.joining import find_cluster
from headswap.errors import BadSetting
from headswap.imports import made_to_stay
from headswap.storage.locations import install_command, why_not_writable


def serve(choices: Options, environment: MutableMapping[str, str]) -> None:
    """Build the service and the page, serve them, and stay until asked to end.

    Args:
        choices: settings and door.
        environment: of this process; gradio reads from it where uploads go.

    Raises:
        BadSetting: the page is not installed, or there is no place for it on this disk or this network.
    """
    settings = choices.settings
    _check_installed()
    reason = why_not_writable(settings.workspace / "logs")
    if reason:
        raise BadSetting(
            f"The workspace {settings.workspace} cannot be written: {reason}.",
            remedy="Give --workspace FOLDER, a folder where you may write.",
        )
    _check_address(choices.server_address)
    log = kept_log(settings.workspace / "logs")
    cluster = _cluster(settings)
    with log, temporary_folder(settings.workspace) as folder, Service(settings, cluster) as service:
        environment["GRADIO_TEMP_DIR"] = str(folder)
        sys.stdout.write(start_text(choices, cluster.state if cluster else None))
        with made_to_stay():  # gradio takes seconds; the first network opens meanwhile
            with without_editor_files():
                from headswap.app.ui.api import publish
                from headswap.app.ui.launch import browser_secret, launch
                from headswap.app.ui.page import build_page

            page = build_page(service, secret=browser_secret(settings.workspace))
            publish(page, service)
        launch(page, choices.server_address, service)


def _cluster(settings: Settings) -> ClusterWatch | None:
    """The cluster that sees the pictures of runs, after a first look.

    Raises:
        BadSetting: it must not be used, or cannot. One that does not answer is waited for: a machine that
            starts again may be up before the head is.
    """
    watch = watch_of(settings.queue.cluster, settings.workspace)
    if watch is None:
        return None
    try:
        find_cluster(settings.queue.cluster)
    except ClusterLost as error:
        watch.lost(error)
        return watch
    trouble = watch.check().trouble
    if trouble is not None:
        raise BadSetting(trouble.problem, remedy=trouble.remedy)
    return watch


def _check_installed() -> None:
    missing = [name for name in ("gradio", "htpy", "segno", "starlette") if find_spec(name) is None]
    if missing:
        raise BadSetting(
            f"The page needs {', '.join(missing)}, which this Python does not have.",
            remedy=f"Run `{install_command('app')}`, then start again.",
        )


def _check_address(server_address: ServerAddress) -> None:
    """Take the address for a moment: whether it is free, and whether it is this machine's."""
    host, port = (server_address.host or "127.0.0.1").strip("[]"), server_address.port or 0
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":  # there it would take an address away from anyone who has it
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        location = f"port {port} of {host}" if port else f"the address {host}"
        raise BadSetting(
            f"The page cannot be served at {location}: {(error.strerror or str(error)).lower()}.",
            remedy="Choose another --port, or leave it out for the first free one from 7860."
            if port
            else "Give as --host an address of this machine, or leave it out.",
        ) from error
