"""Weight files on the Hugging Face hub: found in its cache, or fetched into it.

Flow:  repository + file names --find--> Path | None        --fetch_from_hub--> Path

The hub's own library downloads, checks and caches. Its patient retries are avoided:
one question says whether the hub can be reached at all.

Knows the hub only. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headswap.errors import WeightsNotHere
from headswap.events import Listener, Progress
from headswap.zoos.weights import TIMEOUT_S, not_here, online

_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "requests", "urllib3")


def find_in_hub_cache(repository: str, file_names: Iterable[str]) -> Path | None:
    """The newest known copy of the first of these files, without a connection."""
    from huggingface_hub import try_to_load_from_cache

    for file_name in file_names:
        found = try_to_load_from_cache(repository, file_name)
        if isinstance(found, str):
            return Path(found)
    return None


def cached_repositories() -> frozenset[str]:
    """Which model repositories have anything in the hub's cache: one look instead of thousands."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    if not folder.is_dir():
        return frozenset()
    names = (entry.name for entry in folder.iterdir() if entry.name.startswith("models--"))
    return frozenset(name.removeprefix("models--").replace("--", "/") for name in names)


def is_reachable(source: str, *, timeout_s: float) -> bool:
    """Whether the server answers that has the weights: an address, or `huggingface.co/REPOSITORY`."""
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    if source.startswith(("http://", "https://")):
        return online(source, timeout_s=timeout_s)
    return not HF_HUB_OFFLINE and online(ENDPOINT, timeout_s=timeout_s)


def fetch_from_hub(
    repository: str, file_names: Iterable[str], *, name: str, by_hand_path: Path, listener: Listener
) -> Path:
    """Download the first of these files that the repository has.

    Raises:
        WeightsNotHere: no connection, no such file, or a licence that must be accepted first.
        Cancelled: from the listener.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    file_names = tuple(file_names)
    if not online(hf_hub_url(repository, file_names[0])):
        raise not_here(name, by_hand_path)
    reason = f"{repository} has no {' or '.join(file_names)}"
    for file_name in file_names:
        try:
            bar = _bar(listener)
            path = Path(hf_hub_download(repository, file_name, etag_timeout=TIMEOUT_S, tqdm_class=bar))
            size_bytes = path.stat().st_size
            listener(
                Progress("fetch", size_bytes, size_bytes, unit="bytes")
            )  # a stop is heard here at the latest
            return path
        except LocalEntryNotFoundError as error:
            raise not_here(name, by_hand_path) from error
        except EntryNotFoundError:
            continue
        except HfHubHTTPError as error:
            raise _refused(repository, name, by_hand_path, error) from error
        except Exception as error:
            if not _is_of_the_line(error):
                raise
            raise not_here(name, by_hand_path, reason=f"the download broke off ({error})") from error
    raise not_here(name, by_hand_path, reason=reason)


def _is_of_the_line(error: Exception) -> bool:
    """Whether the connection failed; the hub's library has changed its HTTP library twice."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _HTTP_LIBRARIES


def _refused(repository: str, name: str, path: Path, error: Any) -> WeightsNotHere:
    code = getattr(error.response, "status_code", None)
    if code in (401, 403):
        reason = f"huggingface.co/{repository} needs its licence accepted and `hf auth login` first"
        return not_here(name, path, reason=reason)
    return not_here(name, path, reason=f"huggingface.co answers {code} for {repository}")


def _bar(listener: Listener) -> type[Any]:
    """A progress bar in the hub's eyes; it draws nothing and tells the listener."""
    from huggingface_hub.utils.tqdm import tqdm

    class _Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.heard, self.all_bytes = int(kwargs.get("initial") or 0), int(kwargs.get("total") or 0)
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.heard += int(n or 0)
            listener(Progress("fetch", self.heard, self.all_bytes, unit="bytes"))
            return None

    return _Bar
