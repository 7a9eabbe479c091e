"""Peak memory of the analysis of one run of 4000 atoms and 5000 frames."""

import json
import math
import subprocess
import sys
from pathlib import Path

N_ATOMS, N_FRAMES = 4000, 5000
SMALLEST = (256, 1000)


def test_peak_memory_of_a_long_run(say, smallest):
    n_atoms, n_frames = SMALLEST if smallest else (N_ATOMS, N_FRAMES)
    noise = math.sqrt(N_ATOMS * N_FRAMES / (n_atoms * n_frames))  # beside that of the long run
    command = [sys.executable, str(Path(__file__).with_name("measure_memory.py")), str(n_atoms), str(n_frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *rows = (json.loads(line) for line in done.stdout.splitlines())
    assert {"rdf", "structure_factor", "diffusion", "gamma_self", "gamma_coherent"} <= {row["name"] for row in rows}
    known = {row["name"]: row["relative"] for row in rows if "relative" in row}
    assert abs(known["diffusion"] - 1.0) < 0.02 * noise
    assert abs(known["gamma_self"] - 1.0) < 0.02 * noise
    # ten relaxations of four independent vectors in the smallest shell at least: 10 %
    assert abs(known["gamma_coherent"] - 1.0) < 0.3 * math.sqrt(N_FRAMES / n_frames)
    for row in rows:
        say(f"  after {row['name']}: peak {row['peak_mb']:.0f} MB, {row['seconds']:.1f} s")
    peak = rows[-1]["peak_mb"]
    say(
        f"memory, {n_atoms} atoms x {n_frames} frames: peak {peak / 1024:.2f} GB with the trajectory, "
        f"{(peak - first['size_mb']) / 1024:.2f} GB without its {first['size_mb']:.0f} MB (target <= 1.5 GB)"
    )
    assert peak < 4 * 1024
