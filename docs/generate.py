"""The reference pages that are made from the source: algorithms, errors, limits, names, rules.

Reads the source as text and imports none of it, so that it describes this tree and no
other; only the tables of algorithms are imported. `python docs/generate.py` writes the
pages; with `--check` it only compares.
"""

import ast
import operator
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from api_tables import sections as api_sections
from error_codes import Raised, error_classes, first_paragraph, parse, raised_codes
from rules_tables import sections as rules_sections

__all__ = ["PAGES", "error_codes", "main", "public_names", "stale"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "smimekit"
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by docs/generate.py from the source. Change the source, not this page. -->\n"
ALGORITHMS = """\
A [policy](../how-to/read-old-mail.md) says what is written and what is accepted. `good` is
accepted. `weak` is accepted, and named so in the result. `refused` is not accepted: such a
signature does not count, such content is not decrypted. What is not listed is not supported: such
a signature is reported as `unsupported`, and what is encrypted so cannot be opened. SLH-DSA (RFC
9814) is not, for one: the library that brings the primitives has none.

A signature may also name its key's algorithm only (`rsaEncryption`, `id-ecPublicKey`) beside any
digest below, and RSASSA-PSS may have any of the digests, any mask digest and any salt length. These
are read, and graded by their digest.

*Witness* says who else wrote what we read, or read what we wrote, in our tests: OpenSSL, NSS, gpgsm
and Bouncy Castle, both ways unless one is named; or whose example stands in for them. *Bouncy
Castle's parts* are its primitives and its syntax, put together by the program of the test.
"""
RULES = """\
All keys of the file that `RulesFile` and `read_rules` read, with what holds where a key is missing.
Unknown keys and values are refused with file and line (`gateway.rules`), and
`smimekit.gateway.rules.lint` warns of what is valid and may not be meant. The sections `[listen]`,
`[next_hop]`, `[store]`, `[keys]`, `[workers]`, `[hold]`, `[audit]` and `[metrics]` of the same file
belong to the program that runs the gateway. [Rules by example](../how-to/gateway-rules.md) shows
them at work.
"""
API = """\
What the public functions take and give, and what stands in the objects that come out. Parameters
are shown without types, which the source has (`py.typed`). The classes of results are rarely needed
by name: they come out of the functions. [Public names](names.md) lists what `import smimekit`
offers; the [gateway](../how-to/gateway-embed.md) has pages of its own.
"""
OPERATIONS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.LShift: operator.lshift,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}


def cell(text: str) -> str:
    """Text that cannot break a table or turn into markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def error_codes(package: Path) -> set[str]:
    """All codes that an error of the package can have."""
    defaults = {code for code, _ in error_classes(package).values()}
    return defaults | {raised.code for raised in raised_codes(package)}


def errors_page(package: Path) -> str:
    """The tree, the classes and the codes."""
    drawing = textwrap.dedent(
        (ast.get_docstring(parse(package / "errors.py")) or "").split("\n\n")[1]
    )
    classes = [
        (f"`{name}`", f"`{code}`", cell(says))
        for name, (code, says) in error_classes(package).items()
    ]
    return (
        f"# Errors\n\n{NOTE}\n"
        "Everything that smimekit refuses is a `SmimeError`. Each error has a `code`, which is\n"
        "stable and the same in logs, JSON and here, and a sentence for a person, which may\n"
        "change and never holds plaintext, keys or passwords. Compare the class or the code,\n"
        f"never the sentence.\n\n```text\n{drawing}\n```\n\n"
        f"## Classes\n\n{table(('Class', 'Its code', 'Meaning'), classes)}\n"
        f"## Codes\n\n{codes_table(raised_codes(package))}"
    )


def codes_table(found: list[Raised]) -> str:
    """One row for each code; what is said in several places is joined."""
    if not found:
        return "Each error has the code of its class.\n"
    rows = []
    for code in sorted({raised.code for raised in found}):
        here = [raised for raised in found if raised.code == code]
        says = sorted({cell(raised.message) for raised in here if raised.message})
        modules = sorted({f"`{raised.module}`" for raised in here})
        rows.append((f"`{code}`", "<br>".join(says), ", ".join(modules)))
    head = table(("Code", "Says", "Raised in"), rows)
    return f"A more exact code starts with the one of its class.\n\n{head}"


def limits_page(package: Path) -> str:
    """Every bound, its default and its reason."""
    rows = [
        (f"`{name}`", shown(default), cell(reason)) for name, default, reason in limits(package)
    ]
    return (
        f"# Limits\n\n{NOTE}\n"
        "`smimekit.limits.Limits` holds every bound on what input can make smimekit do. Passing\n"
        "one raises `LimitExceeded`. Sizes are in bytes; `dataclasses.replace` makes a variant.\n\n"
        f"{table(('Limit', 'Default', 'What it bounds, and why'), rows)}"
    )


def shown(default: int) -> str:
    """A number, or a yes or no."""
    return str(default) if isinstance(default, bool) else f"{default:,}".replace(",", " ")


def limits(package: Path) -> Iterator[tuple[str, int, str]]:
    """The fields of `Limits`, each with the string below it."""
    (body,) = (
        node.body
        for node in parse(package / "limits.py").body
        if isinstance(node, ast.ClassDef) and node.name == "Limits"
    )
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value),
                ast.Expr(ast.Constant(str(reason))),
            ):
                yield name, number(value), first_paragraph(reason)


def number(node: ast.expr) -> int:
    """The value of an integer expression such as `1 << 20`."""
    match node:
        case ast.Constant(int(value)):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATIONS[type(op)](number(left), number(right))
    raise ValueError(f"not a plain number: {ast.unparse(node)}")


def public_names(package: Path) -> dict[str, str]:
    """The names in the package's `__all__`, each with what its docstring says first."""
    tree = parse(package / "__init__.py")
    return {name: documented(package, tree, name) for name in listed(tree)}


def listed(tree: ast.Module) -> list[str]:
    """The literal value of `__all__`."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return [str(name) for name in ast.literal_eval(value)]
    return []


def documented(package: Path, tree: ast.Module, name: str) -> str:
    """The first paragraph about a name, wherever it was imported from."""
    if name == "__version__":
        return "The version of smimekit, a string."
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    if (alias.asname or alias.name) == name:
                        return imported(package, module, alias.name)
            case (
                ast.ClassDef(name=found)
                | ast.FunctionDef(name=found)
                | ast.AsyncFunctionDef(name=found)
            ) if found == name:
                return first_paragraph(ast.get_docstring(node))
    return assigned(tree, name)


def assigned(tree: ast.Module, name: str) -> str:
    """The string below the assignment of a name."""
    for node, below in pairwise(tree.body):
        match node, below:
            case (
                ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)),
                ast.Expr(ast.Constant(str(text))),
            ) if found == name:
                return first_paragraph(text)
    return ""


def imported(package: Path, module: str, name: str) -> str:
    """What the docstring of an imported name or module says first."""
    below = package.parent.joinpath(*module.split("."))
    for path in (below / f"{name}.py", below / name / "__init__.py"):
        if path.exists():
            return first_paragraph(ast.get_docstring(parse(path)))
    path = below / "__init__.py" if below.is_dir() else below.with_suffix(".py")
    return documented(package, parse(path), name)


def names_page(package: Path) -> str:
    """The public names."""
    rows = [(f"`{name}`", cell(says)) for name, says in public_names(package).items()]
    return (
        f"# Public names\n\n{NOTE}\n"
        "What `import smimekit` offers. Other modules hold more names, listed in their own\n"
        "`__all__`; what is in neither may change without notice.\n\n"
        f"{table(('Name', 'Meaning'), rows)}"
    )


def algorithms_page(package: Path) -> str:
    """Every algorithm, and what the policies think of it."""
    sys.path.insert(0, str(package.parent))
    try:
        from algorithm_tables import sections  # noqa: PLC0415 - needs the package
    finally:
        sys.path.remove(str(package.parent))
    return f"# Algorithms\n\n{NOTE}\n{ALGORITHMS}\n{sections(table)}"


def rules_page(package: Path) -> str:
    """Every key of a gateway's rules."""
    return f"# The rules of a gateway\n\n{NOTE}\n{RULES}\n{rules_sections(package, table)}"


def api_page(package: Path) -> str:
    """Functions and classes, with their parameters and members."""
    return f"# Functions and classes\n\n{NOTE}\n{API}\n{api_sections(package, table)}"


PAGES: Mapping[str, Callable[[Path], str]] = {
    "algorithms.md": algorithms_page,
    "api.md": api_page,
    "errors.md": errors_page,
    "gateway-rules.md": rules_page,
    "limits.md": limits_page,
    "names.md": names_page,
}


def stale() -> list[str]:
    """The pages that differ from what the source says now."""
    return [name for name, page in PAGES.items() if read(REFERENCE / name) != page(PACKAGE)]


def read(path: Path) -> str:
    """The text of a page; empty where it is missing."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Write the pages, or say which ones are out of date."""
    names = stale()
    if "--check" in arguments:
        for name in names:
            print(f"docs/reference/{name} is out of date: run python docs/generate.py")
        return 1 if names else 0
    for name in names:
        (REFERENCE / name).write_text(PAGES[name](PACKAGE), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
