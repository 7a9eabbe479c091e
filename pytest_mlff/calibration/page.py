"""Tables in a page of the documentation, each between two markers: made from data, never by hand."""

from __future__ import annotations

from pathlib import Path

from pytest_mlff.errors import SpecError


def insert(page: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a table.

    Parameters
    ----------
    page : Path
        Markdown file.
    name : str
        Of the table: it stands between ``<!-- name -->`` and ``<!-- /name -->``.
    text : str
        The table.

    Raises
    ------
    SpecError
        For a page that cannot be read or written, or that lacks the markers.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    try:
        head, first, rest = page.read_text(encoding="utf-8").partition(start)
        _, last, tail = rest.partition(end)
        if not (first and last):
            raise SpecError(f"{page}: no place for this table; it goes between <!-- {name} --> and {end}")
        page.write_text(f"{head}{start}{text}\n{end}{tail}", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{page}: {getattr(error, 'strerror', None) or error}; name another --into") from None
