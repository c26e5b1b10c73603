"""What a package needs, from another environment: hard links, where pip would unpack all of it once more.

    python linked.py SITE-PACKAGES "headswap[app]"      run by the Python that has everything

The package itself lies in SITE-PACKAGES already. Of the others come those that its requirements name, and
theirs, and no more: what is not asked for is not there. A requirement that is not satisfied ends it.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def asked_by(found: Distribution, extras: frozenset[str]) -> list[Requirement]:
    """Its requirements in this Python, on this system, with these extras."""
    wanted = [Requirement(line) for line in found.requires or ()]
    return [
        one
        for one in wanted
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def link(found: Distribution, site: Path) -> None:
    """Its files; commands stay behind, for each begins with the path of its Python."""
    for file in found.files or ():
        source, target = Path(str(found.locate_file(file))), site / file
        if ".." in file.parts or target.exists() or not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, target)


def main(site: Path, package: str) -> None:
    """Follow requirements until nothing new is asked."""
    first = Requirement(package)
    (own,) = distributions(name=first.name, path=[str(site)])
    todo, done = asked_by(own, frozenset(first.extras)), set[tuple[str, frozenset[str]]]()
    while todo:
        asked = todo.pop()
        found = distribution(asked.name)
        if not asked.specifier.contains(found.version, prereleases=True):
            sys.exit(f"{asked} is asked for, and {found.version} is here")
        key = (canonicalize_name(asked.name), frozenset(asked.extras))
        if key not in done:
            done.add(key)
            link(found, site)
            todo += asked_by(found, frozenset(asked.extras))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
