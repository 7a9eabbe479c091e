"""Exceptions of code that is not ours: which of them go on, and how the others are told.

A calculator may raise anything: ``pytest.skip`` and ``sys.exit`` are no ``Exception``, a text may hold a megabyte,
or characters that no terminal and no file takes. May import nothing of the package.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

_INSTALLED = {"site-packages", "dist-packages"}
_OURS = Path(__file__).parent
_TRACEBACK = 20_000
"""Characters of a traceback that are kept."""


def raise_interrupt(error: BaseException) -> None:
    """Let Ctrl-C go on, bare or in an exception group; whatever else code that is not ours raises is told.

    Parameters
    ----------
    error : BaseException
        What was caught.

    Raises
    ------
    KeyboardInterrupt
        If it is one, or holds one.
    """
    if isinstance(error, KeyboardInterrupt):
        raise error
    if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is not None:
        raise KeyboardInterrupt from error


def is_escape(error: BaseException) -> bool:
    """Tell whether an exception is there to end a test or a program, such as that of ``pytest.exit`` or ``sys.exit``.

    Parameters
    ----------
    error : BaseException
        The exception.

    Returns
    -------
    bool
        False for what ordinary code raises and ordinary code catches.
    """
    of_tests = any(kind.__module__ in ("_pytest.outcomes", "unittest.case") for kind in type(error).__mro__)
    return of_tests or not isinstance(error, Exception)


def one_line(text: str, limit: int = 300) -> str:
    """Text as one printable line.

    Parameters
    ----------
    text : str
        Any text.
    limit : int
        Longest result.

    Returns
    -------
    str
        White space runs become single blanks, what cannot be printed its escape; a longer text is cut and ends in
        ``...``.
    """
    words = " ".join(text[: 20 * limit].split())
    line = "".join(letter if letter.isprintable() else _escaped(letter) for letter in words)
    return line if len(line) <= limit and len(text) <= 20 * limit else line[: limit - 3] + "..."


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def described(error: BaseException) -> str:
    """Type and text of an exception on one line.

    Parameters
    ----------
    error : BaseException
        The exception; of a group the first one in it is told, too.

    Returns
    -------
    str
        ``Type: text``, or ``Type`` where there is no text.
    """
    name = one_line(type(error).__name__, 80)
    try:
        text = one_line(str(error))
    except BaseException as another:
        raise_interrupt(another)
        text = f"(its text cannot be made: {one_line(type(another).__name__, 80)})"
    first = f"; the first is {described(error.exceptions[0])}" if isinstance(error, BaseExceptionGroup) else ""
    return one_line(f"{name}: {text}{first}" if text else f"{name}{first}", 600)


def place(error: BaseException, source: Any = None) -> str:
    """Where an exception came from.

    Parameters
    ----------
    error : BaseException
        With its traceback.
    source : object, optional
        What is the user's: path of a file, or an object whose class lies in the user's code.

    Returns
    -------
    str
        ``file:line in function`` of the innermost frame in `source`, else in code that is neither installed nor of
        this package, else outside this package, else at all; empty where there is none.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    walked = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in _frames(error)]
    roots = _roots(source)
    for choose in (lambda file: _inside(file, roots), _is_users, lambda file: not _inside(file, (_OURS,)), bool):
        for file, line, function in reversed(walked):
            if choose(file):
                return f"{file}:{line}" + ("" if function == "<module>" else f" in {function}")
    return ""


def _frames(error: BaseException) -> list[tuple[Any, int]]:
    return [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if line and not frame.f_code.co_filename.startswith("<")
    ]


def _roots(source: Any) -> tuple[Path, ...]:
    """Files and folders of the user's code: a file, or the package, or else the file, that defines a class."""
    if source is None or isinstance(source, str):
        return (Path(source),) if source else ()
    module = str(type(source).__module__)
    top = sys.modules.get(module.partition(".")[0])
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    file = getattr(sys.modules.get(module), "__file__", None)
    return tuple(folders or ([Path(file)] if file else []))


def _inside(file: str, roots: Sequence[Path]) -> bool:
    return any(Path(file).is_relative_to(root) for root in roots)


def _is_users(file: str) -> bool:
    return not is_installed(Path(file)) and not _inside(file, (_OURS,))


def is_installed(path: Path) -> bool:
    """Tell whether a file belongs to an installed package or to Python itself.

    Parameters
    ----------
    path : Path
        Absolute.

    Returns
    -------
    bool
        False for what the user wrote.
    """
    return not _INSTALLED.isdisjoint(path.parts) or any(path.is_relative_to(folder) for folder in _stdlib())


@cache
def _stdlib() -> frozenset[Path]:
    import sysconfig

    paths = sysconfig.get_paths()
    return frozenset(Path(paths[key]).resolve() for key in ("stdlib", "platstdlib"))


def traceback_text(error: BaseException) -> str:
    """Traceback of an exception and of what caused it, as Python prints it.

    Parameters
    ----------
    error : BaseException
        The exception.

    Returns
    -------
    str
        Several lines; the middle of a long one is left out.
    """
    text = "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace").decode()
    half = _TRACEBACK // 2
    return text if len(text) <= _TRACEBACK else f"{text[:half]}\n...\n{text[-half:]}"
