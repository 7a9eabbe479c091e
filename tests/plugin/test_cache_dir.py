"""``--mlff-cache-dir``."""

from __future__ import annotations

import pytest


def test_the_context_gets_an_absolute_path(gate, pytester):
    pytester.makepyfile(
        test_own=f"""
        from pathlib import Path

        def test_own(mlff_context):
            assert mlff_context.settings.cache_root == Path({str(pytester.path / "elsewhere")!r})
        """
    )
    gate("--mlff-model=a", "--mlff-cache-dir=elsewhere", "test_own.py").assert_outcomes(passed=1)


def test_a_folder_that_cannot_be_written_is_refused_at_once(gate, pytester):
    pytester.path.joinpath("file").touch()
    result = gate("--mlff-model=a", "--mlff-cache-dir=file/below")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = [line for line in result.errlines if line]
    assert error.startswith("ERROR: --mlff-cache-dir: cannot write to")
