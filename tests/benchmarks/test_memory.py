"""Peak memory of the analysis of one run of 4000 atoms and 5000 frames."""

import json
import subprocess
import sys
from pathlib import Path


def test_peak_memory_of_a_long_run(say):
    script = Path(__file__).with_name("measure_memory.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *rows = (json.loads(line) for line in done.stdout.splitlines())
    assert {"rdf", "structure_factor", "diffusion", "gamma_self", "gamma_coherent"} <= {row["name"] for row in rows}
    known = {row["name"]: row["relative"] for row in rows if "relative" in row}
    assert abs(known["diffusion"] - 1.0) < 0.02
    assert abs(known["gamma_self"] - 1.0) < 0.02
    # ten relaxations of four independent vectors in the smallest shell at least: 10 %
    assert abs(known["gamma_coherent"] - 1.0) < 0.3
    for row in rows:
        say(f"  after {row['name']}: peak {row['peak_mb']:.0f} MB, {row['seconds']:.1f} s")
    peak = rows[-1]["peak_mb"]
    say(
        f"memory, 4000 atoms x 5000 frames: peak {peak / 1024:.2f} GB with the trajectory, "
        f"{(peak - first['size_mb']) / 1024:.2f} GB without its {first['size_mb']:.0f} MB (target <= 1.5 GB)"
    )
    assert peak < 4 * 1024
