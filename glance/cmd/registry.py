"""glance-registry: the metadata service."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from glance.bootstrap.registry import registry_service
from glance.cmd.launch import launch


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the server in the foreground; ``arguments`` default to the command line."""
    words = sys.argv[1:] if arguments is None else arguments
    return launch(lambda tallies: registry_service(words, tallies))
