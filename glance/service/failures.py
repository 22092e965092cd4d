"""Counting what stores could not do."""

from __future__ import annotations

from typing import Literal

from glance import errors
from glance.model import metrics
from glance.service import Services

_THEIRS = (errors.StoreUnavailable, errors.StoreWriteDenied, errors.StorageFull, errors.ImageDataMissing, errors.ImageDataDamaged)


def note(services: Services, store: str, op: Literal["read", "write", "delete"], error: BaseException) -> None:
    """Counts an error, where there are metrics and it is the store's: not the client's, whose data may end too early."""
    if services.tallies is not None and isinstance(error, _THEIRS):
        services.tallies.count(metrics.STORE_ERRORS.name, store, op, error.code)
