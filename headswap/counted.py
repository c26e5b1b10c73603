"""How many of something, as a person says it: "1 picture", "2,500 pictures".

Every count that may be 1 is written with this, in sentences of the core and on the page.
"""

from __future__ import annotations


def counted(how_many: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: 1 image, 2 images, 2,500 images.

    Args:
        how_many: 0 or more.
        noun: in the singular.
        plural: where it is not the noun with an s.
    """
    return f"{how_many:,} {noun if how_many == 1 else plural or noun + 's'}"
