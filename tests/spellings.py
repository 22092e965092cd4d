"""A secret in all the forms that would give it away."""

from __future__ import annotations

import math
from base64 import b64encode
from urllib.parse import quote


def spellings(secret: str) -> set[bytes]:
    """A secret as it may stand in a file: as it is, in URLs, in hexadecimal digits, and in Base64 at each of its three positions."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), raw.hex().encode()}
    for before in range(3):
        encoded = b64encode(bytes(before) + raw)
        found.add(encoded[math.ceil(before * 4 / 3) : (before + len(raw)) * 4 // 3])
    return found
