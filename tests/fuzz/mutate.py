"""Changes to messages that keep their structure: trees of DER, header fields and parts of MIME.

Knows tags and lengths, lines and boundaries; may not know what any of it means. The same random
source makes the same change. What it cannot read as a tree it changes as octets.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = [
    "BASE64",
    "Node",
    "copy_of",
    "encode",
    "lists",
    "mutate",
    "mutate_bytes",
    "mutate_der",
    "mutate_mime",
    "parse",
]

INTERESTING = (
    *(b"\0", b"\xff", b"\x80", b"\x30\x80", b"\x24\x80", b"\0\0", b"\x05\0", b"\x04\0", b"\xa0\0"),
    *(
        b"\r",
        b"\n",
        b"\r\n",
        b"--",
        b"=",
        b'"',
        b";",
        b"\\",
        b"(",
        b"\0\0\0\0",
        b"\x84\xff\xff\xff",
    ),
)
_DEEPEST = 60


@dataclass
class Node:
    """One value: its tag, and what is in it. `form` is how its length is written."""

    tag: int
    content: "bytes | list[Node]"
    form: str = "definite"


# --- DER -----------------------------------------------------------------------------------


def parse(data: bytes, depth: int = 0) -> list[Node] | None:
    """The values one after the other; None where it is not that."""
    found: list[Node] = []
    at = 0
    while at < len(data):
        head = _header(data, at)
        if head is None:
            return None
        begin, size = head
        tag, content = data[at], data[begin : begin + size]
        # What is in an OCTET STRING may be a tree as well.
        inside = parse(content, depth + 1) if depth < _DEEPEST and _may_hold(tag, content) else None
        found.append(Node(tag, content if inside is None else inside))
        at = begin + size
    return found


def _may_hold(tag: int, content: bytes) -> bool:
    return bool(tag & 0x20) or (tag == 4 and content[:1] == b"\x30")


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the content of the value at a place begins, and its length."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        return None
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4:
            return None
        size, begin = int.from_bytes(data[begin : begin + count], "big"), begin + count
    return (begin, size) if begin + size <= len(data) else None


def encode(nodes: list[Node]) -> bytes:
    return b"".join(map(_encoded, nodes))


def _encoded(node: Node) -> bytes:
    content = node.content if isinstance(node.content, bytes) else encode(node.content)
    tag = bytes((node.tag & 0xFF,))
    if node.form == "indefinite":
        return bytes((node.tag | 0x20, 0x80)) + content + b"\0\0"
    if node.form == "long":
        return tag + b"\x84" + len(content).to_bytes(4, "big") + content
    if node.form == "false":
        return tag + bytes(((len(content) + 1) & 0x7F,)) + content
    if len(content) < 0x80:
        return tag + bytes((len(content),)) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return tag + bytes((0x80 | len(size),)) + size + content


def lists(nodes: list[Node]) -> list[list[Node]]:
    """Every list of siblings."""
    found = [nodes] if nodes else []
    for node in nodes:
        if isinstance(node.content, list):
            found += lists(node.content)
    return found


def mutate_der(data: bytes, random: Random) -> bytes:
    nodes = parse(data)
    if not nodes:
        return mutate_bytes(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        found = lists(nodes)
        if not found:
            break
        _change(random.choice(found), found, random)
    return encode(nodes)


def _change(siblings: list[Node], everywhere: list[list[Node]], random: Random) -> None:
    at = random.randrange(len(siblings))
    node = siblings[at]
    match random.randrange(11):
        case 0:
            del siblings[at]
        case 1:
            siblings[at:at] = [copy_of(node)] * random.choice((1, 1, 2, 40))
        case 2:
            siblings.insert(random.randrange(len(siblings)), siblings.pop(at))
        case 3:
            siblings[at] = copy_of(random.choice(random.choice(everywhere)))
        case 4:
            node.tag = random.choice((node.tag ^ 0x20, node.tag ^ 1, random.randrange(256)))
        case 5:
            node.form = random.choice(("indefinite", "long", "false"))
        case 6:
            siblings[at] = Node(random.choice((0x30, 0x31, 0x24, 0xA0, 0x04)), [node])
        case 7 if isinstance(node.content, list):
            siblings[at : at + 1] = node.content
        case 8 if isinstance(node.content, bytes) and node.tag == 4:
            half = len(node.content) // 2
            parts = [Node(4, node.content[:half]), Node(4, node.content[half:])]
            siblings[at] = Node(0x24, parts, random.choice(("definite", "indefinite")))
        case _ if isinstance(node.content, bytes):
            node.content = mutate_bytes(node.content, random)
        case _:
            node.form = "indefinite"


def copy_of(node: Node) -> Node:
    """One that can be changed by itself."""
    inside = node.content
    return Node(
        node.tag, inside if isinstance(inside, bytes) else [*map(copy_of, inside)], node.form
    )


# --- octets --------------------------------------------------------------------------------


def mutate_bytes(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    size = random.choice((1, 1, 2, 8, 60))
    match random.randrange(6):
        case 0 if at < len(data):
            return data[:at] + bytes((data[at] ^ (1 << random.randrange(8)),)) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + size :]
        case 2:
            return data[:at] + data[at : at + size] * random.choice((2, 3, 50)) + data[at + size :]
        case 3:
            return data[:at]
        case 4:
            return data[:at] + random.choice(INTERESTING) + data[at + size :]
        case _:
            return data[:at] + random.choice(INTERESTING) + data[at:]


# --- MIME ----------------------------------------------------------------------------------

BASE64: Final = re.compile(rb"(?:[A-Za-z0-9+/]{40,76}\r?\n){2,}[A-Za-z0-9+/=]*")


def mutate_mime(data: bytes, random: Random) -> bytes:
    """Lines, fields, boundaries, and what base64 holds."""
    runs = list(BASE64.finditer(data))
    if runs and random.random() < 0.5:
        run = random.choice(runs)
        try:
            inside = mutate_der(binascii.a2b_base64(run[0]), random)
        except binascii.Error:
            inside = b""
        new = base64.encodebytes(inside).replace(b"\n", b"\r\n").rstrip()
        return data[: run.start()] + new + data[run.end() :]
    lines = data.splitlines(keepends=True) or [b""]
    if random.random() < 0.3:
        return mutate_bytes(data, random)
    _change_lines(lines, random)
    return b"".join(lines)


def _change_lines(lines: list[bytes], random: Random) -> None:
    # Most of a mail is base64: what stands before an empty line is worth more.
    heads = [at for at, line in enumerate(lines) if b":" in line or line.startswith((b"--", b" "))]
    at = random.choice(heads or [0])
    line = lines[at]
    match random.randrange(10):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = [line] * random.choice((1, 2, 90))
        case 2:
            lines.insert(random.randrange(len(lines)), line)
        case 3:
            lines[at] = line.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\n ", b"")))
        case 4:
            lines[at] = line.replace(b";", random.choice((b"; x=1;", b";;", b"; boundary=x;", b"")))
        case 5:
            lines[at] = line.replace(b"=", random.choice((b"*=", b"*0=", b"*0*=utf-8''", b" = ")))
        case 6:
            other = random.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 7:
            lines[at:at] = [b"\r\n"]
        case 8:
            start = random.randrange(len(lines))
            lines[at:at] = lines[start : start + random.choice((3, 20))]
        case _:
            lines[at] = mutate_bytes(line, random)


def mutate(data: bytes, random: Random) -> bytes:
    """Whatever fits."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.1:
            data = mutate_bytes(data, random)
        elif data[:1] in {b"\x30", b"\x31"}:
            data = mutate_der(data, random)
        else:
            data = mutate_mime(data, random)
    return data
