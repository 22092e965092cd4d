"""What glance-manage check is made of."""

from __future__ import annotations

from collections.abc import Sequence

from glance.background import Threads
from glance.bootstrap import collaborators, records
from glance.bootstrap.collaborators import Closing
from glance.config import programs
from glance.service import Services


def checked(arguments: Sequence[str]) -> tuple[Services, Closing]:
    """What glance-manage check looks at, as the files of glance-api describe it, and what to call at the end. Makes no database and no directory, and
    changes no schema. Raises ConfigurationError."""
    loaded = programs.load(programs.API, arguments)
    services = collaborators.make(loaded, Threads(), records.chosen(loaded, None, as_it_is=True).registry, None, as_it_is=True)
    return services, collaborators.closing(services)
