"""Measure the liquid's observables on one long run and print the peak memory after each, as JSON lines.

A process of its own, because a peak can only be asked for as a whole: ``python measure_memory.py 4000 5000``.
"""

import json
import resource
import sys
import time

import numpy as np

from pytest_mlff import synthetic
from pytest_mlff.reference.observables import LIQUID, measure
from pytest_mlff.systems.reading import load_system

ARGON = load_system("argon")

DIFFUSIVITY = 0.36
# These keep one of the five shells that gamma_coherent keeps, through the same function.
COVERED = ("long_diffusion", "mean_relaxation_rate", "xsvs_time")


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def main(n_atoms: int, n_frames: int) -> None:
    before = peak_mb()
    trajectory = synthetic.brownian_walkers(
        n_replicas=1,
        n_frames=n_frames,
        n_atoms=n_atoms,
        cell=ARGON.state(f"100K-{n_atoms}").cell,
        diffusivity=DIFFUSIVITY,
        frame_interval=synthetic.ARGON_FRAME_INTERVAL,
        rng=np.random.default_rng(0),
    )
    size = trajectory["position"].nbytes / 2**20
    print(json.dumps({"name": "trajectory", "size_mb": size, "start_mb": before, "peak_mb": peak_mb()}))
    for name in LIQUID:
        if name in COVERED:
            continue
        start = time.perf_counter()
        found = measure(name, trajectory)
        line = {"name": name, "peak_mb": peak_mb(), "seconds": time.perf_counter() - start}
        if name == "diffusion":
            line["relative"] = float(found["D"]) / DIFFUSIVITY
        if name.startswith("gamma_"):
            line["relative"] = float((found["gamma"] / (DIFFUSIVITY * found["mean_q"] ** 2)).mean())
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
