"""How exceptions of code that is not ours are told."""

import asyncio
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlff.foreign import described, one_line, place, raise_interrupt, traceback_text


class Mute(Exception):
    def __str__(self):
        raise SystemExit("no text either")


def caught(function):
    try:
        function()
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\n  b"), "ValueError: a b"),
        (ValueError(), "ValueError"),
        (SystemExit("no licence"), "SystemExit: no licence"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError("late"), "CancelledError: late"),
        (Mute(), "Mute: (its text cannot be made: SystemExit)"),
        (ValueError("a\udc80\x00\x1b[31m"), "ValueError: a\\udc80\\x00\\x1b[31m"),
        (
            ExceptionGroup("two", [KeyError("x"), OSError("y")]),
            "ExceptionGroup: two (2 sub-exceptions); the first is KeyError: 'x'",
        ),
    ],
)
def test_type_and_text_on_one_line(error, text):
    assert described(error) == text


def test_long_texts_and_names_are_cut():
    assert len(described(ValueError("x" * 1_000_000))) < 400
    assert len(described(type("E" * 10_000, (Exception,), {})())) < 100
    assert one_line("x" * 1_000_000, 10) == "xxxxxxx..."
    assert one_line(" " * 1_000_000 + "x", 10).endswith("...")
    assert len(traceback_text(caught(lambda: (_ for _ in ()).throw(ValueError("x" * 1_000_000))))) < 21_000


@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_printed_anywhere(text):
    line = one_line(text)
    assert line.isprintable()
    line.encode("utf-8")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("g", [BaseExceptionGroup("h", [KeyboardInterrupt()]), OSError()])]
)
def test_an_interrupt_goes_on_in_a_group_too(error):
    with pytest.raises(KeyboardInterrupt):
        raise_interrupt(error)


@pytest.mark.parametrize(
    "error", [SystemExit(), GeneratorExit(), asyncio.CancelledError(), ExceptionGroup("", [OSError()])]
)
def test_nothing_else_goes_on(error):
    raise_interrupt(error)


def test_the_place_is_the_innermost_line_of_the_users_own_code():
    import json

    def own():
        return json.loads("[")

    assert place(caught(own)) == f"{__file__}:{own.__code__.co_firstlineno + 1} in own"


def test_without_the_users_code_it_is_the_innermost_of_all():
    import json

    error = caught(lambda: json.loads("["))
    error.__traceback__ = error.__traceback__.tb_next.tb_next
    assert place(error).startswith(json.decoder.__file__)
    assert place(KeyError("no traceback")) == ""


def test_a_file_that_does_not_parse_is_the_place():
    assert place(caught(lambda: compile("def f(:", "/x/calc.py", "exec"))) == "/x/calc.py:1"


def test_a_traceback_has_no_character_that_a_file_refuses():
    text = traceback_text(caught(lambda: (_ for _ in ()).throw(ValueError("\udc80"))))
    assert "\\udc80" in text
    assert sys._getframe().f_code.co_filename in text
    text.encode()
