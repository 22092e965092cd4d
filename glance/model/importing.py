"""The ways in which data come to an image by import (spec-v2 3.6), as clients and operators name them."""

from __future__ import annotations

from typing import Final

GLANCE_DIRECT: Final = "glance-direct"  # the client stages the data first

METHODS: Final = (GLANCE_DIRECT, "web-download", "copy-image", "glance-download")
