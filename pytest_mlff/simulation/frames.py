"""What steps produce: frames, and a stretch of steps that may be left and taken up again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Frames:
    """What a stretch of steps produced.

    Attributes
    ----------
    position : ndarray, shape (replica, frame, atom, xyz)
        Unwrapped, in Å, float32.
    temperature : ndarray, shape (replica, frame)
        Kinetic temperature in K.
    net_force : ndarray, shape (replica, frame)
        Norm of the net force that was subtracted, eV/Å; zero for a native force.
    """

    position: np.ndarray
    temperature: np.ndarray
    net_force: np.ndarray


@dataclass(slots=True)
class Stretch:
    """Steps to take, and what came of those that are done.

    Attributes
    ----------
    equilibration : int
        Steps before the first interval that ends in a frame.
    frames : Frames
        Room for all of them.
    done : int
        Steps so far, of equilibration and frames together.
    """

    equilibration: int
    frames: Frames
    done: int = 0
