"""The service as a page of Python: what each call means, who may make it, and what everybody sees afterwards.

It knows nothing of the program: it says again, in the plainest words, what spec-v1 and spec-v2 say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

READABLE = {"active", "deactivated"}
NOT_LISTED = {"killed", "deleted"}


@dataclass(frozen=True)
class Caller:
    """Who calls: ``project`` None is nobody, who only reads."""

    name: str
    project: str | None
    is_admin: bool = False


ADMIN = Caller("admin", "ops", is_admin=True)
ALICE = Caller("alice", "alice")
BOB = Caller("bob", "bob")
CAROL = Caller("carol", "carol")
ANYBODY = Caller("anybody", None)
CALLERS = (ADMIN, ALICE, BOB, CAROL, ANYBODY)


@dataclass
class Image:
    """One image; ``members`` maps projects to what they think of it, ``body`` is what can be read, from a web server where it is ``elsewhere``."""

    id: str
    owner: str | None
    visibility: str = "shared"
    name: str | None = None
    status: str = "queued"
    body: bytes | None = None
    staged: bytes | None = None
    elsewhere: bool = False
    protected: bool = False
    hidden: bool = False
    tags: set[str] = field(default_factory=set)
    properties: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)

    @property
    def deleted(self) -> bool:
        return self.status == "deleted"

    def delete(self) -> None:
        self.status, self.body, self.staged = "deleted", None, None
        self.members.clear()
        self.tags.clear()
        self.properties.clear()

    def activate(self, body: bytes, *, elsewhere: bool = False) -> None:
        self.status, self.body, self.elsewhere = "active", body, elsewhere


@dataclass
class Model:
    """All images that were ever made, by id."""

    images: dict[str, Image] = field(default_factory=dict)

    def sees(self, caller: Caller, image: Image) -> bool:
        """The caller may know the image."""
        if image.deleted:
            return False
        shared = image.visibility == "shared" and caller.project in image.members
        return caller.is_admin or image.visibility in self._open_to(caller) or self.owns(caller, image) or shared

    def _open_to(self, caller: Caller) -> set[str]:
        return {"public"} if caller.project is None and not caller.is_admin else {"public", "community"}

    def changes(self, caller: Caller, image: Image) -> bool:
        """The caller may change the image."""
        return not image.deleted and (caller.is_admin or self.owns(caller, image))

    def owns(self, caller: Caller, image: Image) -> bool:
        return caller.project is not None and caller.project == image.owner

    def listed_by_v1(self, caller: Caller, *, every: bool = False) -> set[str]:
        """The ids that v1 lists; ``every``: an administrator asks for all, public or not."""
        return {image.id for image in self._live() if (every and caller.is_admin) or self._in_default(caller, image, set(image.members))}

    def listed_by_v2(self, caller: Caller, *, hidden: bool = False, visibility: str = "", member_status: str = "accepted") -> set[str]:
        """The ids that v2 lists; community images of others only where ``visibility`` asks for them, or for "all"."""
        found = set()
        every = visibility in {"community", "all"}
        community_is_open = "community" in self._open_to(caller)
        for image in self._live():
            members = {project for project, status in image.members.items() if member_status in {status, "all"}}
            community = image.visibility == "community"
            asked_for = every and (caller.is_admin or (community and community_is_open))
            shown = self._in_default(caller, image, members) or (caller.is_admin and not community) or asked_for
            if shown and image.hidden == hidden and visibility in {"", "all", image.visibility}:
                found.add(image.id)
        return found

    def stored(self) -> dict[str, bytes]:
        """The contents of the store by id."""
        return {image.id: image.body for image in self.images.values() if image.body is not None and not image.elsewhere}

    def staged(self) -> dict[str, bytes]:
        """The contents of the staging store by id."""
        return {image.id: image.staged for image in self.images.values() if image.staged is not None}

    def _live(self) -> Iterable[Image]:
        return (image for image in self.images.values() if image.status not in NOT_LISTED)

    def _in_default(self, caller: Caller, image: Image, members: set[str]) -> bool:
        shared = image.visibility == "shared" and caller.project in members
        return image.visibility == "public" or self.owns(caller, image) or shared
