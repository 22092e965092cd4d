"""glance-api: the image API."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from glance.bootstrap.api import api_service
from glance.cmd.launch import launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server in the foreground; ``arguments`` default to the command line."""
    words = sys.argv[1:] if arguments is None else arguments
    return launch(lambda tallies: api_service(words, tallies))
