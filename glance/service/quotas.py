"""What a caller's images take of its quotas (spec-v2 4.4)."""

from __future__ import annotations

from glance.context import RequestContext
from glance.model.quotas import Quotas, Usage
from glance.service import Services


def used(services: Services, ctx: RequestContext) -> tuple[Usage, Quotas | None]:
    """What the caller's images take, and may take; None where there are no quotas, or nobody knows the caller. Raises LimitsUnavailable."""
    return (Usage(), None) if ctx.read_only else services.registry.images.usage(ctx)
