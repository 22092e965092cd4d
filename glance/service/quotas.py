"""What a caller's images take of its quotas (spec-v2 4.4)."""

from __future__ import annotations

from glance.context import RequestContext
from glance.model.quotas import Quotas, Usage
from glance.service import Services


def used(services: Services, ctx: RequestContext) -> tuple[Usage, Quotas | None]:
    """What the caller's images take, and may take; nothing and None where there are no quotas."""
    return (Usage(), None) if services.quotas is None else (services.registry.images.usage(ctx), services.quotas)
