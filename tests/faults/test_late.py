"""R21: a store that shows an object only some time after it was stored. Within a minute that is no reason to call it missing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from glance.testing.servers import wait_until
from tests.faults.clients import age, download, marked, stored
from tests.faults.conftest import Report, Rounds, Scene
from tests.http_front import Front, Handler
from tests.running import running


class Veil:
    """While it is down, nobody sees objects: neither one by its name nor any in a list."""

    def __init__(self) -> None:
        self.down = False
        self.hidden = 0

    def answer(self, request: Handler) -> tuple[int, dict[str, str], bytes] | None:
        named = request.path.partition("?")[0].count("/") >= (4 if request.path.startswith("/v1/") else 2)
        if not self.down or not named or request.command not in ("GET", "HEAD"):
            return None
        self.hidden += 1
        return 404, {}, b"" if request.command == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>"


@pytest.fixture
def veil(scene: Scene) -> Iterator[Veil]:
    """Between the store and the proxy in front of it."""
    veil, server = Veil(), scene.proxy.behind
    with running(Front(server)) as front:
        front.answer = veil.answer
        scene.proxy.behind = front.server_port
        scene.proxy.heal()  # connections of before would go past the veil
        yield veil
        scene.proxy.behind = server
        scene.proxy.heal()


@pytest.mark.parametrize("shared", ["swift", "s3"], indirect=True)
def test_object_when_it_appears_late_then_not_said_to_be_missing_and_erased_with_its_image(
    scene: Scene, veil: Veil, report: Report, rounds: Rounds
) -> None:
    glance, data = scene.glance, b"data that appear late"
    first, second, third = (stored(glance, data) for _ in range(3))

    veil.down = True
    answers = [download(glance, first) for _ in range(rounds(5, 100))]
    assert glance.request("DELETE", f"/v2/images/{second}").status == 204
    age(glance, third)
    old = download(glance, third)
    veil.down = False

    assert [(answer.status, "cannot be used at the moment" in answer.text) for answer in answers] == [(503, True)] * len(answers)
    assert marked(glance, first) == [False]
    assert download(glance, first).body == data
    assert (old.status, marked(glance, third)) == (404, [True])
    assert veil.hidden >= len(answers) + 2
    wait_until(lambda: set(scene.place.held()) == {first, third}, "the data of the deleted image to be erased")
    for image_id in (first, third):
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R21 {scene.place.driver}: false 'missing' within a minute: 0 of {len(answers)}; an image deleted meanwhile left 0 objects; older: 404")
