"""Which events go out, and how they look in the log."""

from __future__ import annotations

import json
import logging

import pytest

from glance.context import RequestContext
from glance.model.events import ImageCreated, ImageDeleted, ImageSent, ImageUploadFailed, MemberCreated
from glance.model.image import Image, Member
from glance.notifier.dispatch import Dispatcher
from glance.notifier.log import LogNotifier
from tests.services import Recorder

CTX = RequestContext(request_id="req-1", auth_token="secret")
EVENTS = (
    ImageCreated(Image("1")),
    ImageDeleted(Image("1")),
    ImageSent(Image("1"), 0, 0, None, None),
    MemberCreated(Member("1", "P2")),
)


@pytest.mark.parametrize(
    ("disabled", "sent"),
    [
        ([], ["image.create", "image.delete", "image.send", "image.member.create"]),
        (["image.send", "image.creat"], ["image.create", "image.delete", "image.member.create"]),
        (["image.member"], ["image.create", "image.delete", "image.send"]),
        (["image"], []),
        (["imag", "image.", "task"], ["image.create", "image.delete", "image.send", "image.member.create"]),
    ],
)
def test_dispatcher_when_types_or_groups_are_disabled_then_sends_the_others(disabled: list[str], sent: list[str]) -> None:
    told = Recorder()
    dispatcher = Dispatcher([told], disabled)
    for event in EVENTS:
        dispatcher.emit(CTX, event)
    assert told.types == sent


class Broken:
    closed = False

    def emit(self, ctx: RequestContext, event: object) -> None:
        raise OSError

    def close(self) -> None:
        self.closed = True


def test_dispatcher_when_a_notifier_fails_then_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    broken, told = Broken(), Recorder()
    dispatcher = Dispatcher([broken, told])
    dispatcher.emit(CTX, EVENTS[0])
    dispatcher.close()
    assert (told.types, broken.closed) == (["image.create"], True)
    assert caplog.messages == ["A notification of type image.create was lost"]


def test_log_then_writes_one_line_of_plain_characters_at_the_level_of_the_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    image = Image("1", name="line\nfeed \x1b[31m \x7f é", properties={"a\r": "\u2028"})
    LogNotifier().emit(CTX, ImageCreated(image))
    LogNotifier().emit(RequestContext(), ImageUploadFailed("1", "broken"))

    made, failed = caplog.records
    kind, request_id, payload = made.getMessage().split(" ", 2)
    assert (made.levelname, kind, request_id) == ("INFO", "image.create", "req-1")
    assert payload.isascii()
    assert payload.isprintable()
    assert json.loads(payload)["name"] == image.name
    assert (failed.levelname, failed.getMessage()) == ("ERROR", 'image.upload - "The data of image 1 could not be stored: broken"')
