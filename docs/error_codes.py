"""Finds the error codes in the source. Knows Python's syntax; imports nothing of smimekit.

A code is a literal where an error is made (`MimeError("...", code="mime.twice")`), or where
a function is called that makes one: such a function has a parameter `code: str` and passes
it on. A code that is put together from pieces could be neither found nor searched for.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CodeError", "Raised", "error_classes", "first_paragraph", "parse", "raised_codes"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


class CodeError(Exception):
    """A code that is no literal."""


@dataclass(frozen=True, slots=True, order=True)
class Raised:
    """A place in the source that gives an error its code."""

    code: str
    maker: str
    message: str
    module: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """One module."""

    module: str
    tree: ast.Module
    constants: Mapping[str, str]

    @classmethod
    def of(cls, path: Path, package: Path) -> "Source":
        """A file of the package."""
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = parse(path)
        return cls(name, tree, dict(constants(tree)))


def parse(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The strings that a module gives names to."""
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(str(text)))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(str(text)))
            ):
                yield name, text


def first_paragraph(docstring: str | None) -> str:
    """The part of a docstring that fits in a table."""
    return " ".join((docstring or "").strip().split("\n\n")[0].split())


def error_classes(package: Path) -> dict[str, tuple[str, str]]:
    """Each error class with its default code and its docstring's first paragraph."""
    return {
        node.name: (default_code(node), first_paragraph(ast.get_docstring(node)))
        for node in parse(package / "errors.py").body
        if isinstance(node, ast.ClassDef)
    }


def default_code(node: ast.ClassDef) -> str:
    """The literal that a class body assigns to `default_code`; empty where it has none."""
    return dict(constants(ast.Module(node.body, []))).get("default_code", "")


def raised_codes(package: Path) -> list[Raised]:
    """Every code below `package`; CodeError where one is no literal."""
    sources = [Source.of(path, package) for path in sorted(package.rglob("*.py"))]
    makers: dict[str, int | None] = dict.fromkeys(error_classes(package))
    for source in sources:
        makers |= passing_on(source.tree)
    return sorted(raised for source in sources for raised in codes_in(source, makers))


def passing_on(tree: ast.Module) -> Iterator[tuple[str, int | None]]:
    """The functions with a parameter `code: str`, and its place where it has one."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name != "__init__" and has_code(node):
            places = [argument.arg for argument in node.args.posonlyargs + node.args.args]
            if places[:1] in (["self"], ["cls"]):
                places = places[1:]
            yield node.name, places.index("code") if "code" in places else None


def has_code(function: Function) -> bool:
    """Whether it has a parameter for a code."""
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return any(
        argument.arg == "code"
        and argument.annotation is not None
        and ast.unparse(argument.annotation) in {"str", "str | None"}
        for argument in arguments
    )


def codes_in(source: Source, makers: Mapping[str, int | None]) -> Iterator[Raised]:
    """The codes that one module names."""
    inside = {
        id(node)
        for function in ast.walk(source.tree)
        if isinstance(function, Function) and has_code(function)
        for node in ast.walk(function)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield from codes_of(node, source, makers, passed_on=id(node) in inside)
        elif isinstance(node, Function) and has_code(node):
            yield from default_of(node, source)


def codes_of(
    call: ast.Call, source: Source, makers: Mapping[str, int | None], *, passed_on: bool
) -> Iterator[Raised]:
    """The codes that one call names."""
    maker = ast.unparse(call.func).rpartition(".")[2]
    for value in code_arguments(call, makers.get(maker)):
        if passed_on and isinstance(value, ast.Name) and value.id == "code":
            continue
        for code in literals(value, source.constants):
            if code is not None:
                yield Raised(code, maker, message_of(call), source.module, call.lineno)
            elif maker in makers:
                where = f"{source.module}, line {call.lineno}"
                raise CodeError(f"{where}: write the code as a literal, so that it can be found")


def code_arguments(call: ast.Call, place: int | None) -> Iterator[ast.expr]:
    """What a call hands over as a code."""
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "code")
    if place is not None and place < len(call.args):
        yield call.args[place]


def literals(node: ast.expr, names: Mapping[str, str]) -> Iterator[str | None]:
    """The strings that an expression can be; None for one that cannot be read."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.Name(id=name):
            yield names.get(name)
        case ast.IfExp(body=body, orelse=orelse):
            yield from literals(body, names)
            yield from literals(orelse, names)
        case _:
            yield None


def default_of(function: Function, source: Source) -> Iterator[Raised]:
    """The code that a function uses where its caller names none."""
    arguments = function.args
    placed = arguments.posonlyargs + arguments.args
    defaults = [
        *zip(placed[len(placed) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, default in defaults:
        match argument.arg, default:
            case "code", ast.Constant(str(code)):
                yield Raised(code, function.name, "", source.module, function.lineno)


def message_of(call: ast.Call) -> str:
    """The sentence that the error says, with an ellipsis for each value in it."""
    match call.args:
        case [ast.Constant(str(text)), *_]:
            return text
        case [ast.JoinedStr(values=values), *_]:
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else "…" for part in values
            )
    return ""
