"""What a spec string says, read without importing, evaluating or opening anything.

A spec names a force field in one of four ways, decided by its text and by the names of the installed
ecosystems (entry-point group ``pytest_mlff.models``), in this order:

1. what stands before the first colon ends in ``.py``: a *file*, ``file.py:name`` (``name`` is ``calculator``
   when left out);
2. it is the name of an installed ecosystem: ``ecosystem:path-or-name``;
3. it is a dotted Python name: a *module*, ``package.module:callable(key=value, ...)``;
4. otherwise, or without a colon: a *path*.

So ``a.b:c`` is an ecosystem's if ``a.b`` is installed as one, and a module's if not; nothing is tried in
turn. Arguments are Python literals, read with :mod:`ast`.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from pytest_mlff.errors import SpecError
from pytest_mlff.foreign import described, one_line
from pytest_mlff.settings.paths import at_home

SpecKind = Literal["path", "ecosystem", "module", "file"]

DEFAULT_NAME = "calculator"
"""The name looked up in ``file.py`` when the spec gives none."""

FORMS = (
    "a path to a model file, ecosystem:path-or-name, package.module:callable(key=value, ...) "
    "or file.py:name (default name: calculator)"
)
"""The forms of a spec, for messages."""

_LONGEST_NAME = 80
_LITERALS = "numbers, strings, True, False, None, and lists, tuples, dicts and sets of these"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSpec:
    """A spec string, taken apart.

    Attributes
    ----------
    text : str
        The spec as it was given.
    kind : {"path", "ecosystem", "module", "file"}
        Its form.
    target : str
        The path, what follows ``ecosystem:``, or the module's dotted name; ``~`` at its beginning is the home folder,
        but for a module.
    ecosystem : str
        Name of the ecosystem; empty for the other forms.
    attribute : str
        Dotted name inside the module or file; empty for the other forms.
    called : bool
        Whether the name was followed by parentheses.
    args : tuple
        Positional arguments.
    keywords : tuple of (str, value)
        Keyword arguments in the order given.
    """

    text: str
    kind: SpecKind
    target: str
    ecosystem: str = ""
    attribute: str = ""
    called: bool = False
    args: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Short name of the model, fit for a pytest id; not yet unique."""
        if self.kind == "module" or (self.kind == "file" and self.attribute != DEFAULT_NAME):
            return fit_for_ids(self.attribute)
        return fit_for_ids(PurePath(self.target).stem)


def fit_for_ids(name: str) -> str:
    """Make a name that may stand in a pytest id, a file name and a ``-k`` expression.

    Parameters
    ----------
    name : str
        Any text.

    Returns
    -------
    str
        ASCII letters, digits and ``._-``, 80 at most; everything else becomes single hyphens, and nothing ``model``.
    """
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    return clean[:_LONGEST_NAME].rstrip("-.") or "model"


@contextmanager
def about(text: str) -> Iterator[None]:
    """Let every ``SpecError`` inside say which spec it speaks of.

    Parameters
    ----------
    text : str
        The spec.

    Yields
    ------
    None
    """
    try:
        yield
    except SpecError as error:
        raise SpecError(f"model {one_line(text, 160)!r}: {one_line(str(error), 1200)}") from error.__cause__


def parse_spec(text: str, *, ecosystems: Collection[str] | None = None) -> ParsedSpec:
    """Take a spec string apart.

    Parameters
    ----------
    text : str
        The spec; see the module's docstring for the forms and their order.
    ecosystems : collection of str, optional
        Names that count as ecosystems; by default those installed.

    Returns
    -------
    ParsedSpec
        What the text says; whether the file, module or name exists is not looked at.

    Raises
    ------
    SpecError
        One line: an empty text, a syntax error in the arguments, arguments that are not literals.
    """
    if ecosystems is None:
        from pytest_mlff.models.registry import installed_ecosystems

        ecosystems = installed_ecosystems()
    stripped = text.strip()
    if not stripped:
        raise SpecError(f"the model spec is empty; give {FORMS}")
    with about(text):
        return _parse(text, stripped, ecosystems)


def _parse(text: str, stripped: str, ecosystems: Collection[str]) -> ParsedSpec:
    drive = stripped[:2] if re.match(r"[A-Za-z]:[\\/]", stripped) else ""  # C:\\..., of no other form
    head, colon, tail = (part.strip() for part in stripped.removeprefix(drive).partition(":"))
    head = drive + head
    if head.endswith(".py"):
        return _called(text, "file", at_home(head), _parse_call(tail) if colon else (DEFAULT_NAME, False, (), ()))
    if colon and head in ecosystems:
        if not tail:
            raise SpecError(f"nothing follows '{head}:'; give {head}:path-or-name")
        return ParsedSpec(text=text, kind="ecosystem", target=at_home(tail), ecosystem=head)
    if colon and _is_dotted_name(head):
        try:
            call = _parse_call(tail)
        except SpecError as error:
            raise SpecError(f"{_not_ecosystem(head, tail, ecosystems)}{error}") from error.__cause__
        return _called(text, "module", head, call)
    late = re.fullmatch(r"(.+\.py)\s*:\s*([^:/]+)", stripped, re.DOTALL)  # a folder with a colon in its name
    if late:
        return _called(text, "file", at_home(late[1]), _parse_call(late[2]))
    return ParsedSpec(text=text, kind="path", target=at_home(stripped))


def _called(
    text: str, kind: SpecKind, target: str, call: tuple[str, bool, tuple[Any, ...], tuple[tuple[str, Any], ...]]
) -> ParsedSpec:
    """Put together a spec that names something in a module or file, and perhaps calls it."""
    attribute, called, args, keywords = call
    return ParsedSpec(
        text=text, kind=kind, target=target, attribute=attribute, called=called, args=args, keywords=keywords
    )


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _not_ecosystem(head: str, tail: str, ecosystems: Collection[str]) -> str:
    if "(" in tail or "." in head:
        return ""
    installed = ", ".join(sorted(ecosystems)) or "none"
    return f"{head!r} is not an installed ecosystem (installed: {installed}), and "


def _parse_call(tail: str) -> tuple[str, bool, tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """Read ``name.name`` or ``name.name(literals)``."""
    if not tail:
        raise SpecError("no name follows the colon; give package.module:callable(key=value, ...) or file.py:name")
    node = _parse_expression(tail)
    if not isinstance(node, ast.Call):
        return _dotted(node, tail), False, (), ()
    names = [keyword.arg for keyword in node.keywords]
    for name in names:
        if name is None:
            raise SpecError("'**' cannot stand among the arguments; write key=value with literal values")
        if names.count(name) > 1:
            raise SpecError(f"the argument {name!r} is given twice")
    args = tuple(_literal(argument, f"argument {i + 1}") for i, argument in enumerate(node.args))
    keywords = tuple((str(k.arg), _literal(k.value, f"argument {k.arg!r}")) for k in node.keywords)
    return _dotted(node.func, tail), True, args, keywords


def _parse_expression(tail: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is not the user's concern here
            return ast.parse(tail, mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        problem = one_line(f"{error.msg}{place}")
    except (ValueError, RecursionError, MemoryError) as error:
        problem = described(error)
    raise SpecError(
        f"{one_line(tail, 80)!r} cannot be read as a name or a call ({problem}); write name or name(key=value, ...)"
    )


def _dotted(node: ast.expr, tail: str) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise SpecError(f"{one_line(tail, 80)!r} is not a name or a call of a name; write name or name(key=value, ...)")
    return ".".join([node.id, *reversed(parts)])


def _literal(node: ast.expr, what: str) -> Any:
    try:
        value = ast.literal_eval(node)
        repr(value)  # a hexadecimal number may have more digits than Python writes
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        shown = _unparsed(node)
        hint = f"; did you mean {shown!r} in quotes?" if isinstance(node, ast.Name | ast.Attribute) else ""
        raise SpecError(f"{what} ({shown}) is not a literal; literals are {_LITERALS}{hint}") from error
    return value


def _unparsed(node: ast.expr) -> str:
    try:
        return one_line(ast.unparse(node), 60)
    except (ValueError, RecursionError):
        return "too long or too deep to be shown"
