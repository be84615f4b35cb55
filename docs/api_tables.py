"""The reference of functions and classes: signatures, fields and methods, from the source.

Reads the source as text. Knows which module holds what a caller meets; whatever is said about
it stands there, in docstrings and in the strings below fields.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from error_codes import first_paragraph, parse

__all__ = ["SECTIONS", "sections"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Row = tuple[str, str]

SECTIONS: Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]] = (
    (
        "The verbs",
        (
            ("message/send.py", ("sign", "encrypt")),
            ("message/verbs.py", ("verify", "decrypt")),
            ("message/receive.py", ("open_message",)),
            ("message/plan.py", ("plan_encryption",)),
            ("message/reply.py", ("reply_headers",)),
            ("harvesting/facts.py", ("harvest",)),
            ("harvesting/learning.py", ("harvest_into", "upload_into")),
            ("message/bundle.py", ("load_certificates",)),
            ("trust/stores/opening.py", ("open_store",)),
        ),
    ),
    ("Files: `smimekit.files`", (("files.py", ("sign", "encrypt", "verify", "decrypt")),)),
    ("Awaited: `smimekit.aio`", (("aio.py", ("Verbs",)),)),
    (
        "What a message says",
        (
            ("message/opened.py", ("Opened", "Payload")),
            (
                "message/layers.py",
                (
                    "Protection",
                    "Signed",
                    "Encrypted",
                    "Compressed",
                    "SignatureResult",
                    "TimestampResult",
                    "Errant",
                ),
            ),
            ("message/header_set.py", ("HeaderSet", "HeaderField")),
            ("message/identity.py", ("Identity",)),
            ("cms/signer.py", ("Integrity",)),
            ("policy.py", ("Assessment", "Grade")),
        ),
    ),
    (
        "Whom to trust",
        (
            ("trust/judge.py", ("Trust",)),
            ("trust/judgement.py", ("Judgement", "Selection", "Flip")),
            (
                "trust/status.py",
                ("Status", "Validity", "Chain", "Revocation", "RevocationPolicy", "Reason"),
            ),
            ("trust/records.py", ("Record", "Decision", "Verdict", "Purpose", "Source")),
            ("trust/store.py", ("TrustStore",)),
            ("trust/revocation/handed.py", ("HandedEvidence",)),
        ),
    ),
    (
        "Keys, certificates, signers, recipients",
        (
            ("keys/credential.py", ("Credential",)),
            ("keys/ring.py", ("KeyRing",)),
            ("message/signing.py", ("Signer", "Chain")),
            ("keys/shared.py", ("PasswordRecipient", "SharedKeyRecipient")),
            ("certificate/__init__.py", ("Certificate",)),
            ("message/plan.py", ("EncryptionPlan",)),
            ("mime/protected.py", ("HeaderProtection",)),
            ("mime/transfer.py", ("Transfer",)),
            ("policy.py", ("Policy",)),
        ),
    ),
    (
        "What is learned",
        (("harvesting/facts.py", ("Harvest",)), ("harvesting/learning.py", ("HarvestReport",))),
    ),
)
SHOWN_AS = {"open_message": "open"}
CALLED = {"Certificate", "HandedEvidence", "KeyRing", "Trust", "Verbs"}
"""Classes that a caller makes, and that are no records of their fields."""


OWN = {"memo", "parsed"}
"""What the library keeps for itself."""


def sections(package: Path, table: Callable[[tuple[str, ...], Sequence[Row]], str]) -> str:
    """All of the page but its beginning."""
    parts = []
    for title, modules in SECTIONS:
        parts.append(f"## {title}\n")
        for module, names in modules:
            tree = parse(package / module)
            parts += [entry(found(tree, name, module), module, table) for name in names]
    return "\n".join(parts)


def found(tree: ast.Module, name: str, module: str) -> Function | ast.ClassDef:
    """The definition of a name at the top of a module."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{module} has no {name}.")


def entry(
    node: Function | ast.ClassDef,
    module: str,
    table: Callable[[tuple[str, ...], Sequence[Row]], str],
) -> str:
    """One function or class."""
    name = SHOWN_AS.get(node.name, node.name)
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    where = "smimekit." + module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    head = f"### `{name}`\n\n"
    if not isinstance(node, ast.ClassDef):
        return f"{head}{call(name, node, own=False)}\n{text}\n"
    rows = [(f"`{shown}`".replace("|", "\\|"), says) for shown, says in members(node)]
    listed = f"\n{table(('Member', 'Meaning'), rows)}" if rows else ""
    made = [each for each in node.body if isinstance(each, Function) and each.name == "__init__"]
    shown = call(name, made[0], own=True) + "\n" if made and name in CALLED else ""
    return f"{head}{shown}In `{where}`. {text}\n{listed}"


def call(name: str, node: Function, *, own: bool) -> str:
    """How it is called, in lines that fit a page."""
    text = f"{name}{signature(node, own=own)}".replace(" -> None", "")
    return f"```text\n{textwrap.fill(text, 110, subsequent_indent='    ')}\n```\n"


def signature(node: Function, *, own: bool) -> str:
    """The parameters with their defaults, without types, and what comes out."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args][1 if own else 0 :]
    missing = len(plain) - len(arguments.defaults)
    words = [
        each.arg + (f"={ast.unparse(arguments.defaults[at - missing])}" if at >= missing else "")
        for at, each in enumerate(plain)
    ]
    if arguments.vararg is not None:
        words.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        words.append("*")
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        words.append(each.arg + ("" if default is None else f"={ast.unparse(default)}"))
    result = "" if node.returns is None else f" -> {ast.unparse(node.returns)}".replace("'", "")
    return f"({', '.join(words)}){result}"


def members(node: ast.ClassDef) -> Iterator[Row]:
    """The public fields, properties and methods of a class, each with what is said about it."""
    for each, below in pairwise([*node.body, ast.Pass()]):
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if is_shown(name):
                yield f"{name}: {ast.unparse(kind)}".replace('"', ""), line(text_of(below))
            case ast.Assign(targets=[ast.Name(id=name)]) if is_shown(name):
                yield name, line(text_of(below))
            case ast.FunctionDef(name="__init__"):
                yield from attributes(each)
            case ast.FunctionDef(name=name) if is_shown(name):
                yield method(each), line(ast.get_docstring(each) or "")


def attributes(init: ast.FunctionDef) -> Iterator[Row]:
    """What `__init__` says about attributes; those of which it says nothing are not told."""
    for each, below in pairwise([*init.body, ast.Pass()]):
        match each:
            case (
                ast.Assign(targets=[ast.Attribute(attr=name)])
                | ast.AnnAssign(target=ast.Attribute(attr=name))
            ) if is_shown(name) and text_of(below):
                yield name, line(text_of(below))


def is_shown(name: str) -> bool:
    """Is it for callers?"""
    return not name.startswith("_") and name not in OWN


def text_of(node: ast.stmt) -> str:
    """A string that stands by itself, else nothing."""
    match node:
        case ast.Expr(ast.Constant(str(text))):
            return text
    return ""


def method(node: ast.FunctionDef) -> str:
    """A property by its name, a method with its parameters."""
    marks = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
    if marks & {"property", "cached_property"}:
        return node.name
    return f"{node.name}{signature(node, own='staticmethod' not in marks)}"


def line(text: str) -> str:
    """The first paragraph, in a cell of a table."""
    return first_paragraph(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
