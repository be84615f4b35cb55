"""Which changes fit which input, and what of an input is repeated to have it grow.

Knows the kinds: "mail" (MIME, and the DER in it), "cms" and "toml". The same random source makes
the same changes.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from tests.fuzz.contract import Target
from tests.fuzz.mutate import BASE64, Node, copy_of, encode, lists, mutate, parse
from tests.fuzz.toml import is_toml, mutate_toml

__all__ = ["change", "changes", "growing"]

_MOST: Final = 1_000
"""Inputs that changes are made of: a run of any length may not fill the memory."""
_LONGEST: Final = 20_000
"""Octets of those of them that were changed before."""


def change(target: Target, data: bytes, random: Random) -> bytes:
    """One changed input."""
    return mutate_toml(data, random) if target.kind == "toml" else mutate(data, random)


def changes(target: Target, seed: str, count: int) -> Iterable[bytes]:
    """Changed seeds, and changed ones of these."""
    random = Random(seed)  # noqa: S311 - the same each time, and not for secrets
    pool = [*target.seeds()]
    kept = len(pool)
    for _ in range(count):
        data = change(target, random.choice(pool), random)
        yield data
        if len(data) < _LONGEST and random.random() < 0.05 and _is_worth(target, data):
            if len(pool) < _MOST:
                pool.append(data)
            elif kept < len(pool):
                pool[random.randrange(kept, len(pool))] = data


def _is_worth(target: Target, data: bytes) -> bool:
    """May it be changed again?"""
    return target.kind != "toml" or is_toml(data)


# --- what grows ----------------------------------------------------------------------------


def growing(target: Target, seed: str) -> Callable[[int], bytes]:
    """A seed in which one thing is repeated, until so many octets were added."""
    random = Random(seed)  # noqa: S311 - the same each time
    data = random.choice(target.seeds())
    if data[:1] in {b"\x30", b"\x31"} and target.kind != "toml":
        return _of_der(data, random)
    runs = list(BASE64.finditer(data)) if target.kind == "mail" else []
    if not runs or random.random() < 0.5:
        return _of_lines(data, random)
    run = random.choice(runs)
    try:
        inside = _of_der(binascii.a2b_base64(run[0]), random)
    except binascii.Error:
        return _of_lines(data, random)

    def grown(size: int) -> bytes:
        new = base64.encodebytes(inside(size)).replace(b"\n", b"\r\n").rstrip()
        return data[: run.start()] + new + data[run.end() :]

    return grown


def _of_der(data: bytes, random: Random) -> Callable[[int], bytes]:
    """One value, or the octets of one, many times."""
    nodes = parse(data)
    if not nodes:
        return _of_lines(data, random)
    choice = random.randrange(1 << 30)

    def grown(size: int) -> bytes:
        at = Random(choice)  # noqa: S311 - the same place for each size
        tree = [copy_of(node) for node in nodes]
        siblings = at.choice([each for each in lists(tree) if each])
        place = at.randrange(len(siblings))
        node = siblings[place]
        if isinstance(node.content, bytes) and node.content and at.random() < 0.3:
            node.content *= 1 + size // len(node.content)
        elif at.random() < 0.2:
            depth = size // 16
            for _ in range(min(depth, 300)):  # deeper ones are among the bombs
                node = Node(node.tag | 0x20, [node])
            siblings[place] = node
        else:
            siblings[place:place] = [node] * (1 + size // max(1, len(encode([node]))))
        return encode(tree)

    return grown


def _of_lines(data: bytes, random: Random) -> Callable[[int], bytes]:
    """A line, a part of one, or some lines, many times where they stand."""
    lines = data.splitlines(keepends=True) or [b"x"]
    # Most of a mail is base64: what stands above it is worth more.
    at = random.randrange(min(len(lines), 40) if random.random() < 0.7 else len(lines))
    start = sum(map(len, lines[:at]))
    piece = lines[at]
    match random.randrange(3):
        case 0:
            piece = b"".join(lines[at : at + random.choice((2, 4))])
        case 1 if len(piece) > 4:
            begin = random.randrange(len(piece) - 2)
            piece = piece[begin : begin + random.choice((1, 2, 5))]
            start += begin
    piece = piece or b"x"
    return lambda size: data[:start] + piece * (1 + size // len(piece)) + data[start:]
