"""Split a stream of bytes into lines of text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator


def split_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of UTF-8 pieces, which may be cut inside a character, without their ends.

    Invalid bytes become U+FFFD, and the last line may lack its end.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + decoder.decode(piece)).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest.removesuffix("\r")
