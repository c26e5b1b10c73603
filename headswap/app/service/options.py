"""What a person may say when they start the server, and what is refused.

    headswap serve [--for me|class|lab] [--pictures N ...] [--networks here|any|NAME ...]
                   [--auth FILE] [--certificate FILE --key FILE]
                   [--host HOST] [--port PORT] [--workspace FOLDER] [--no-browser] [--on auto|HOST:PORT]

Flow:  ServeChoices + environment --choices_of--> Options (settings, door)
       --start_text--> lines to print

Knows words and settings; opens nothing.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from headswap.app.processes.memory import is_held_by_system
from headswap.app.processes.sandbox import confinement_here
from headswap.app.service.fetching import ANY, HERE, networks_text
from headswap.app.service.limits import Profile, limits_for, table
from headswap.counted import counted
from headswap.errors import BadSetting
from headswap.storage.locations import default_workspace, sample_folder

if TYPE_CHECKING:
    from headswap.app.jobs.cluster import ClusterState
    from headswap.app.service.settings import Settings

_ELSEWHERE = ("CI", "SSH_CONNECTION", "SSH_TTY", "SPACE_ID", "CODESPACES", "KUBERNETES_SERVICE_HOST")
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
_TITLES: dict[Profile, str] = {"me": "one person", "class": "a class", "lab": "a lab"}


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where the page is served, and to whom."""

    host: str | None = None  # None: this machine only
    port: int | None = None  # None: the first free one
    people: Path | None = None  # the file of class codes; None: no one has to log in
    certificate: Path | None = None  # TLS, with its key
    key: Path | None = None
    opens_browser: bool = False  # when the page is ready


@dataclass(frozen=True, kw_only=True)
class Options:
    """All that was chosen."""

    profile: Profile
    settings: Settings
    server_address: ServerAddress


@dataclass(frozen=True, kw_only=True)
class ServeChoices:
    """What `headswap serve` was told; its help says what each is."""

    host: str | None = None
    port: int | None = None
    app_workspace: Path | None = None
    on: str | None = None
    auth: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    profile: Profile = "me"
    browser: bool | None = None
    networks: Sequence[str] | None = None
    local_links: bool = False
    limits: Mapping[str, float | bool] = field(default_factory=dict)  # that were named


def choices_of(said: ServeChoices, environment: Mapping[str, str]) -> Options:
    """Read what was said on the command line.

    Args:
        said: the options of `headswap serve`.
        environment: GRADIO_SERVER_NAME, HEADSWAP_WORKSPACE and HEADSWAP_CLUSTER stand in for what was not
            said.

    Raises:
        BadSetting: a figure that cannot work, or a door that stands open to a network.
    """
    from headswap.app.jobs.queue import QueueSettings  # these bring numpy: not for every verb of the shell
    from headswap.app.service.settings import SPARE_IDLE_S, Settings

    host = environment.get("GRADIO_SERVER_NAME") if said.host is None else said.host
    server_address = ServerAddress(
        host=host or None,
        port=said.port,
        people=said.auth,
        certificate=said.certificate,
        key=said.key,
        opens_browser=_wants_browser(said, host, environment),
    )
    _check(server_address, said.profile, is_hosted="SPACE_ID" in environment)
    limits = limits_for(said.profile, said.limits)
    _check_runs(limits.runs)
    workspace = said.app_workspace or environment.get("HEADSWAP_WORKSPACE") or default_workspace()
    cluster = said.on or environment.get("HEADSWAP_CLUSTER") or ""
    settings = Settings(
        workspace=Path(workspace).resolve(),
        sample=sample_folder() / "train",
        limits=limits,
        networks=tuple(said.networks or ((HERE,) if said.profile == "class" else (ANY,))),
        local_links=said.local_links,
        has_codes=server_address.people is not None,
        queue=QueueSettings(spare_idle_s=SPARE_IDLE_S, cluster=cluster),
        protected=is_local(server_address.host)
        or server_address.certificate is not None
        or "SPACE_ID" in environment,
    )
    return Options(profile=said.profile, settings=settings, server_address=server_address)


def start_text(choices: Options, cluster: ClusterState | None = None) -> str:
    """What the server says of itself when it starts; `cluster`: that sees the pictures of runs, if any."""
    rows = table(choices.settings.limits)
    width = max(len(what) for what, _ in rows)
    lines = [f"headswap for {_TITLES[choices.profile]}, in {choices.settings.workspace}"]
    lines += [f"  {what:<{width}}  {how_much}" for what, how_much in rows]
    server_address = choices.server_address
    who = f"the names in {server_address.people}" if server_address.people else "anyone at this machine"
    lines.append(f"  {'who comes in':<{width}}  {who}")
    lines.append(f"  {'networks to be fetched':<{width}}  {networks_text(choices.settings.networks)}")
    if cluster is not None:
        lines.append(f"  {'pictures are seen by':<{width}}  {_hands(cluster, choices.settings)}")
    lines.append(f"The process that reads strangers' pictures {confinement_here().sentence}.")
    if not is_held_by_system():
        lines.append(
            "This system holds no process to its memory: each is watched and ended when it takes more."
        )
    if not choices.settings.protected:
        lines.append(
            "Without --certificate and --key, codes and pictures cross the network in clear; "
            "the camera is off."
        )
    return "\n".join(lines) + "\n"


def _hands(cluster: ClusterState, settings: Settings) -> str:
    if cluster.trouble is not None:
        return f"a cluster, and runs wait for it: {cluster.trouble.problem}"
    at_once = counted(settings.for_queue().at_once(cluster.processors), "run")
    return f"a cluster ({counted(cluster.processors, 'processor')}; {at_once} at the same time)"


def is_local(host: str | None) -> bool:
    """Whether only this machine can reach a host name."""
    if not host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name: who knows where it leads
        return False


def _wants_browser(said: ServeChoices, host: str | None, environment: Mapping[str, str]) -> bool:
    """A browser opens by itself where anyone who starts the page also looks at the screen of this machine."""
    if said.browser is not None:
        return bool(said.browser)
    is_elsewhere = any(environment.get(name) for name in _ELSEWHERE)
    has_screen = sys.platform in ("win32", "darwin") or any(environment.get(name) for name in _SCREENS)
    return said.profile == "me" and is_local(host) and has_screen and not is_elsewhere


def _check(server_address: ServerAddress, profile: Profile, *, is_hosted: bool) -> None:
    if profile != "me" and server_address.people is None and not is_hosted:
        raise BadSetting(
            f"--for {profile} is for people who log in, and there is no file of their codes.",
            remedy=f"Make one with `headswap users add {profile}.json NAME ...`, then add --auth "
            f"{profile}.json.",
        )
    if not is_local(server_address.host) and server_address.people is None and not is_hosted:
        raise BadSetting(
            f"{server_address.host} opens this to a whole network, and no one would have to log in.",
            remedy="Make class codes with `headswap users add FILE NAME` and give --auth FILE, "
            "or leave --host out.",
        )
    if (server_address.certificate is None) != (server_address.key is None):
        raise BadSetting("TLS takes a certificate and its key.", remedy="Give both --certificate and --key.")
    if server_address.port is not None and not 1 <= server_address.port <= 65_535:
        raise BadSetting(f"The port is {server_address.port}.", remedy="Choose one from 1 to 65535.")
    for file in (server_address.people, server_address.certificate, server_address.key):
        if file is not None and not file.is_file():
            raise BadSetting(f"There is no file {file}.", remedy="Check the path.")


def _check_runs(runs: int) -> None:
    """Each needs a processor of its own."""
    from headswap.threads import processors  # brings numpy

    here = processors()
    if runs > here:
        raise BadSetting(
            f"runs is {runs}, and this server may use {counted(here, 'processor')}.",
            remedy=f"Choose 1 to {here}." if here > 1 else "Choose 1.",
        )
