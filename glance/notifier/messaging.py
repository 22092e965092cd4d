"""Events as messages on a bus, by way of oslo.messaging (``pip install glance[messaging]``)."""

from __future__ import annotations

import warnings

from oslo_config import cfg

with warnings.catch_warnings():
    # For its servers, which nobody uses here, it imports eventlet, which warns of itself.
    warnings.simplefilter("ignore")
    import oslo_messaging

from glance import errors
from glance.context import RequestContext
from glance.model.events import Event
from glance.notifier.outbox import Outbox
from glance.notifier.settings import MessagingSettings

#: Attempts to send a message, for as long as a process lives. (Told -1, which means "for ever", the library gives up a first connection at once.)
_FOR_EVER = 2**31 - 1


class Caller(dict[str, str | None]):
    """Whose request an event came from, as consumers see it. Of this kind because the library passes nothing on that cannot be redacted."""

    def redacted_copy(self) -> Caller:
        """The same: nothing secret is in it."""
        return self


class MessagingNotifier:
    """Sends each event to ``<topic>.<priority>`` of every topic. The library tries again for ever; meanwhile events wait in an outbox.

    ``conf`` gives the library its own options, such as [oslo_messaging_rabbit]. Nothing connects before the first event. Raises
    ConfigurationError for a URL that leads to no kind of bus.
    """

    def __init__(self, settings: MessagingSettings, conf: cfg.ConfigOpts) -> None:
        oslo_messaging.set_transport_defaults(settings.exchange)
        try:
            transport = oslo_messaging.get_notification_transport(conf, settings.url)
        except (oslo_messaging.MessagingException, ValueError):  # the texts hold the URL
            raise errors.ConfigurationError(reason="transport_url does not name a message bus, as rabbit://user:password@host:5672/ does.") from None
        self._notifier = oslo_messaging.Notifier(
            transport, settings.publisher, driver=settings.envelope, topics=list(settings.topics), retry=_FOR_EVER
        )
        self._outbox: Outbox[tuple[Caller, Event]] = Outbox(self._send)

    def emit(self, ctx: RequestContext, event: Event) -> None:
        caller = Caller(request_id=ctx.request_id, user_id=ctx.user, project_id=ctx.project)
        self._outbox.put((caller, event))

    def close(self) -> None:
        self._outbox.close()

    def _send(self, item: tuple[Caller, Event]) -> None:
        caller, event = item
        send = self._notifier.error if event.priority == "ERROR" else self._notifier.info
        send(caller, event.type, event.payload())
