"""The states of an image and the ways between them (spec-v1 2.9, spec-v2 2.8).

A change of status is never a plain write: the registry names the states it may start from in the UPDATE itself, so two requests that race
cannot both win.
"""

from __future__ import annotations

from typing import Final

QUEUED: Final = "queued"  # an id is reserved, there is no data
SAVING: Final = "saving"  # data is being stored
UPLOADING: Final = "uploading"  # data is in the staging store, or on its way there
IMPORTING: Final = "importing"  # data is being taken over from where it is
ACTIVE: Final = "active"  # complete and readable
KILLED: Final = "killed"  # an upload failed; the id stays taken
DEACTIVATED: Final = "deactivated"  # complete, but closed to readers by an administrator
PENDING_DELETE: Final = "pending_delete"  # deleted; the data waits for the scrubber
DELETED: Final = "deleted"  # terminal

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    QUEUED: frozenset({SAVING, UPLOADING, IMPORTING, ACTIVE, KILLED, DELETED}),
    SAVING: frozenset({ACTIVE, KILLED, QUEUED, DELETED}),
    UPLOADING: frozenset({IMPORTING, QUEUED, DELETED}),
    IMPORTING: frozenset({ACTIVE, QUEUED, DELETED}),
    ACTIVE: frozenset({DEACTIVATED, DELETED, PENDING_DELETE}),
    DEACTIVATED: frozenset({ACTIVE, DELETED, PENDING_DELETE}),
    KILLED: frozenset({DELETED}),
    PENDING_DELETE: frozenset({DELETED, ACTIVE}),
    DELETED: frozenset(),
}

STATUSES: Final = frozenset(TRANSITIONS)

#: States in which an attempt holds the image.
HELD: Final = frozenset({SAVING, UPLOADING, IMPORTING})

#: States in which an image has its data.
COMPLETE: Final = frozenset({ACTIVE, DEACTIVATED})

#: States in which only this service says how large an image's data are.
MEASURED: Final = COMPLETE | HELD

#: States that lists hide unless deleted images are asked for.
HIDDEN: Final = frozenset({KILLED, DELETED, PENDING_DELETE})


def sources_of(new: str) -> frozenset[str]:
    """The states from which ``new`` may be reached."""
    return frozenset(old for old, reachable in TRANSITIONS.items() if new in reachable)
