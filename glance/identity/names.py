"""Names that an operator gives to users, projects and roles."""

from __future__ import annotations

#: Characters that a name may have, as the registry keeps it.
MAX_LENGTH = 255


def check_name(name: object, whose: str) -> str:
    """``name``, where it can be that of a user or project; ``whose`` says what it names. Raises ValueError.

    It travels in headers and stands in lines of files and logs: no control characters, and no space around it.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_LENGTH or not name.isprintable() or name != name.strip():
        raise ValueError(f"the name of a {whose} has 1 to {MAX_LENGTH} printable characters, without spaces around them")
    return name


def check_role(name: object) -> str:
    """``name`` in lower case, where it can be the name of a role. Raises ValueError."""
    if "," in check_name(name, "role"):
        raise ValueError("the name of a role has no comma")
    return str(name).lower()


def check_description(text: object) -> str:
    """``text``, where it can be shown in a line of its own. Raises ValueError."""
    if not isinstance(text, str) or not text.isprintable():
        raise ValueError("a description is one line of printable characters")
    return text
