"""``python -m pytest_mlff.cli``: the console command without its script."""

import sys

from pytest_mlff.cli import main

sys.exit(main())
