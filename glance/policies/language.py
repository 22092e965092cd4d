"""The text of a policy file: oslo.policy takes what it does not understand for a check that refuses everybody, and nothing at all for one that allows
everybody, so whatever is not understood is found here."""

from __future__ import annotations

import re
from typing import Any

from oslo_policy.policy import Rules, parse_file_contents

#: A word may have parentheses around it.
_WORD = re.compile(r"\A(\(*)(.*?)(\)*)\Z")

#: Words of a sentence that are no checks, each with the sign for it.
_SIGNS = {"": "", "and": "&", "or": "&", "not": "-"}

#: What stands for one check (c) again, in a sentence of signs.
_CHECK = re.compile(r"-c|c&c|\(c\)")


def load(text: str) -> Rules:
    """The checks of a file (JSON or YAML), by their rules. Raises ValueError, which names the rule."""
    document: Any = parse_file_contents(text)
    if not isinstance(document, dict):
        raise ValueError("it must hold lines of the form NAME: CHECK")
    for name, check in document.items():
        if not isinstance(name, str):
            raise ValueError(f"the name of a rule must be a text, so put it in quotes: {name}")
        if not (_is_sentence(check) if isinstance(check, str) else _is_list(check)):
            raise ValueError(f"the rule {name} has a check that means nothing: {check}")
    return Rules.from_dict(document)


def _is_sentence(text: str) -> bool:
    """Whether checks are joined by ``and`` and ``or``, negated by ``not`` and put in parentheses as they can be."""
    signs = "".join(_WORD.sub(_signs, word) for word in text.split())
    shorter = _CHECK.sub("c", signs)
    while shorter != signs:
        signs, shorter = shorter, _CHECK.sub("c", shorter)
    return signs == "c" or not text


def _signs(word: re.Match[str]) -> str:
    before, inner, after = word.groups()
    return before + _SIGNS.get(inner.lower(), "c" if _is_check(inner) else "?") + after


def _is_list(check: object) -> bool:
    """Whether these are alternatives, as of 2012: checks, or lists of checks that all must hold."""
    return isinstance(check, list) and all(all(map(_is_check, part)) if isinstance(part, list) else _is_check(part) for part in check)


def _is_check(text: object) -> bool:
    """Whether it is KIND:VALUE, everybody or nobody."""
    return isinstance(text, str) and (text in {"@", "!"} or (":" in text and not _is_quoted(text)))


def _is_quoted(text: str) -> bool:
    return text[0] == text[-1] and text[0] in "'\""
