"""What the operator says about the message bus."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MessagingSettings:
    """Where messages go. ``url`` may hold a password. ``envelope``: "messagingv2" wraps each message (format 2.0), "messaging" does not."""

    url: str = field(repr=False)
    envelope: str = "messagingv2"
    topics: tuple[str, ...] = ("notifications",)
    exchange: str = "glance"
    publisher: str = "image.localhost"
