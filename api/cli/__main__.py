"""`python -m api.cli`: what the launcher runs."""

from __future__ import annotations

import sys

from api.cli.main import main

sys.exit(main(sys.argv[1:]))
