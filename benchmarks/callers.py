"""Who asks: identity headers as a proxy in front of the service sends them."""

from __future__ import annotations

PROJECTS = tuple(f"project-{number}" for number in range(5))
#: Owns three images, and sees what all see.
NEWCOMER = "newcomer"


def of_project(project: str, *roles: str) -> dict[str, str]:
    """The headers of somebody in a project, a plain member without more ``roles``; an identity service names those that a role includes, too."""
    return {"X-Identity-Status": "Confirmed", "X-User-Id": "user", "X-Tenant-Id": project, "X-Roles": ",".join((*roles, "member", "reader"))}


def admin(project: str = "administration") -> dict[str, str]:
    """The headers of the administrator of all, working in a project."""
    return of_project(project, "admin")


MEMBER = of_project(PROJECTS[3])
