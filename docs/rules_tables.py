"""The tables of a gateway's rules: the records that sections of the file become, field by field.

Reads the source as text, as `generate` does; imports nothing of smimekit.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from error_codes import first_paragraph, parse

__all__ = ["Key", "keys_of", "sections"]

Table = Callable[[tuple[str, ...], Sequence[tuple[str, ...]]], str]
MODULES = ("treatment", "__init__", "inbound")
CHAIN = ("message", "signing.py")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section."""

    name: str
    values: str
    default: str
    says: str


SETTINGS = """\
These keys stand in `[outbound]` (all mail), `[inside]` and `[outside]` (by whose address it is),
`[domain."example.org"]` and `[domain."*.example.org"]`, `[address."bob@example.org"]` and
`[[partner]]` (with `sender` and `recipient`: an address, a domain, `*.example.org` or `*`).

Both the sender and the recipient have levels. The nearer one wins: an address before a domain, a
domain before a pattern, a longer pattern before a shorter one, that before inside or outside, and
that before `[outbound]`; on the same level the recipient's. A `[[partner]]` overrides all others,
the later one the earlier.

These only ever become stricter, whichever side says them: `encrypt = "must"` of either side stays,
`authenticated`, `cipher_bits` and `rsa_bits` count as the highest of both sides, and the `archive`
addresses of both sides add up. Only a nearer level of the same side, or a `[[partner]]`, loosens
them. Levels that say nothing leave the question to the others.
"""
GATEWAY = """\
Besides: `marker_secret_file`, a file with a secret of at least 16 octets that all processes of the
gateway share; without it mail that goes round in circles is counted by its Received fields alone:
a hundred of them end it.
"""
TRIGGERS = """\
They count for somebody who authenticated and may sign as the address in From (`[sender_login]`).
For anybody else the tags stay in the subject, and the header fields are removed.
"""
SPECIAL = "What must be encrypted is encrypted, whatever kind it is.\n"
INBOUND = "For mail to inside addresses that none of ours submits.\n"
TEXTS = (
    ("Settings: how mail is treated", "Treatment", SETTINGS),
    ("[gateway]", "Site", GATEWAY),
    ("[triggers]", "Words", TRIGGERS),
    ("[special]", "Special", SPECIAL),
    ("[inbound]", "Inbound", INBOUND),
)
DOMAINS = "Whose addresses are inside. `*.example.org` is not `example.org`."
NETWORKS = (
    "Clients that submit without authentication. Nothing is signed for them, and their tags do not "
    "count."
)
LOGIN = """\
Each key is a login, and its value a list of addresses, domains, `*.example.org` or `*` that it may
sign as. A login without an entry may sign as the address that it is; one with an empty list as
none.
"""


def sections(package: Path, table: Table) -> str:
    """All sections, in the order of the page."""
    pages = [_section(package, table, *each) for each in TEXTS]
    pages[2:2] = [
        f"## [inside]\n\n{_inside(package, table)}\n",
        f"## [sender_login]\n\n{LOGIN}\n",
    ]
    return "".join(pages)


def _inside(package: Path, table: Table) -> str:
    words = _words(package)["Internal"]
    says = _told(_docs(package)["Internal"], words)
    rows = [
        ("`domains`", "list of domains, `*.example.org`", "`[]`", DOMAINS),
        ("`networks`", "list of networks", "`[]`", NETWORKS),
        ("`internal`", _listed(words), '`"unchanged"`', says),
    ]
    found = table(("Key", "Values", "Default", "Meaning"), rows)
    return f"{found}\nBesides, the keys of the settings, for inside addresses.\n"


def _section(package: Path, table: Table, title: str, kind: str, text: str) -> str:
    rows = [(f"`{key.name}`", key.values, key.default, key.says) for key in keys_of(package, kind)]
    head = ("Key", "Values", "Default", "Meaning")
    return f"## {title}\n\n{text}\n{table(head, rows)}\n"


def keys_of(package: Path, kind: str) -> Iterator[Key]:
    """The fields of a record, each with the string below it."""
    words = _words(package)
    for field, below in pairwise(_class(package, kind).body):
        match field, below:
            case (
                ast.AnnAssign(
                    target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value
                ),
                ast.Expr(ast.Constant(str(says))),
            ) if name != "sources":
                found = ast.unparse(annotation)
                meaning = first_paragraph(says)
                if found in words:
                    meaning = _told(meaning, words[found])
                yield Key(name, _values(found, words), _default(value, words), meaning)


def _trees(package: Path) -> Iterator[ast.Module]:
    for module in MODULES:
        yield parse(package / "gateway" / "rules" / f"{module}.py")
    yield parse(package.joinpath(*CHAIN))


def _class(package: Path, kind: str) -> ast.ClassDef:
    for tree in _trees(package):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == kind:
                return node
    raise KeyError(kind)


def _docs(package: Path) -> Mapping[str, str]:
    return {
        node.name: first_paragraph(ast.get_docstring(node))
        for tree in _trees(package)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def _words(package: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """The enumerations: the members of each, with their words and what they mean."""
    return {
        node.name: dict(_members(node))
        for tree in _trees(package)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) == "StrEnum" for base in node.bases)
    }


def _members(node: ast.ClassDef) -> Iterator[tuple[str, tuple[str, str]]]:
    for field, below in pairwise([*node.body, ast.Pass()]):
        match field:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(str(word))):
                says = ""
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    says = first_paragraph(str(below.value.value))
                yield name, (word, says)


def _values(annotation: str, words: Mapping[str, Mapping[str, tuple[str, str]]]) -> str:
    if annotation in words:
        return _listed(words[annotation])
    return {"bool": "`true`, `false`", "int": "number", "str": "text"}.get(
        annotation, "list of texts"
    )


def _listed(members: Mapping[str, tuple[str, str]]) -> str:
    return ", ".join(f'`"{word}"`' for word, _ in members.values())


def _told(says: str, members: Mapping[str, tuple[str, str]]) -> str:
    told = [f"`{word}`: {meaning}" for word, meaning in members.values() if meaning]
    return "<br>".join((says, *told)).replace("|", "\\|")


def _default(value: ast.expr, words: Mapping[str, Mapping[str, tuple[str, str]]]) -> str:
    match value:
        case ast.Attribute(value=ast.Name(id=kind), attr=member) if kind in words:
            return f'`"{words[kind][member][0]}"`'
        case ast.Constant(bool(found)):
            return "`true`" if found else "`false`"
        case ast.Constant(str(found)):
            return f'`"{found}"`'
        case ast.Constant(int(found)):
            return f"`{found}`"
        case ast.Tuple():
            texts = [each.value for each in ast.walk(value) if isinstance(each, ast.Constant)]
            return f"`[{', '.join(map(_quoted, texts))}]`"
    raise ValueError(f"not a plain default: {ast.unparse(value)}")


def _quoted(value: object) -> str:
    return f'"{value}"'
