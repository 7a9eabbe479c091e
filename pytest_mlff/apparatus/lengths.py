"""What a user may ask of the lengths of a run, and what each look of it comes to. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_mlff.systems.protocols import Protocol

STRIDE = 10
"""Steps per frame."""


def frames_of(steps: int) -> int:
    """Turn steps into frames.

    Parameters
    ----------
    steps : int
        Of each replica.

    Returns
    -------
    int
        Frames.

    Raises
    ------
    ValueError
        For what is no whole number of frames.
    """
    if steps < STRIDE or steps % STRIDE:
        raise ValueError(f"expected a positive multiple of {STRIDE}, the steps per frame")
    return steps // STRIDE


def refuse_more_than(starts: int, replicas: int) -> None:
    """Refuse replicas that would share a start.

    Parameters
    ----------
    starts : int
        Configurations of the reference to start from.
    replicas : int
        Asked for.

    Raises
    ------
    ValueError
        If there are too few of them.
    """
    if replicas > starts:
        raise ValueError(
            f"expected at most {starts}: each replica starts from a configuration of the reference that no other has"
        )


def liquid_looks(protocol: Protocol) -> Iterator[Protocol]:
    """Take each look at the liquid alone.

    Parameters
    ----------
    protocol : Protocol
        With several of them.

    Yields
    ------
    Protocol
        With one.
    """
    for frames in protocol.looks:
        yield replace(protocol, looks=(frames,))


def melting_looks(protocol: Protocol) -> Iterator[Protocol]:
    """Take each look at the slabs alone.

    Parameters
    ----------
    protocol : Protocol
        That runs slabs.

    Yields
    ------
    Protocol
        With one look.
    """
    for frames in protocol.melting.looks if protocol.melting else ():
        yield replace(protocol, melting=replace(protocol.melting, looks=(frames,)))  # type: ignore[type-var]
