"""R32: any two changes of one image at the same moment: what both are answered, and what is left, is what one after the other would have come to."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.faults.clients import FORMATS, JSON, PATIENCE
from tests.faults.conftest import Report, Rounds
from tests.faults.races import ON_EACH, at_once, served_on, tally

SEED = 32

#: Pairs of changes that one image goes through; the last one deletes it.
PAIRS = 10

OWNER = {"X-Identity-Status": "Confirmed", "X-User-Id": "user", "X-Tenant-Id": "project", "X-Roles": "member"}
PATCH = "application/openstack-images-v2.1-json-patch"
DATA = b"data of an image"


@dataclass(frozen=True)
class State:
    """What an image is, as far as these changes go."""

    status: str = "active"
    name: str = FORMATS["name"]
    properties: frozenset[tuple[str, str]] = frozenset()
    members: frozenset[str] = frozenset()


GONE = State("deleted", "")

#: The next state of an image, and the right answers.
Effect = Callable[[State], tuple[State, set[int]]]


@dataclass(frozen=True)
class Change:
    """A request, ``path`` below that of the image, and what it makes of an image."""

    label: str
    method: str
    path: str
    effect: Effect
    document: object = None

    def send(self, glance: Glance, image_id: str) -> int:
        headers = {"Content-Type": PATCH if self.method == "PATCH" else "application/json"} if self.document is not None else {}
        body = json.dumps(self.document).encode() if self.document is not None else None
        return ask(glance, self.method, f"/v2/images/{image_id}{self.path}", headers, body).status

    def after(self, state: State) -> tuple[State, set[int]]:
        """Of an image that is gone nobody gets to see more than that."""
        return self.effect(state) if state != GONE else (GONE, {404})


def ask(glance: Glance, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    return glance.request(method, path, {**OWNER, **(headers or {})}, body, timeout=PATIENCE)


# Changes


def patch(label: str, operation: str, path: str, value: str, effect: Effect) -> Change:
    return Change(label, "PATCH", "", effect, [{"op": operation, "path": path, **({} if operation == "remove" else {"value": value})}])


def rename(numbers: random.Random) -> Change:
    name = f"name {numbers.randrange(3)}"
    return patch("patch", "replace", "/name", name, lambda state: (replace(state, name=name), {200}))


def set_property(numbers: random.Random) -> Change:
    name, value = f"p{numbers.randrange(3)}", f"value {numbers.randrange(3)}"
    return patch("patch", "add", f"/{name}", value, lambda state: (replace(state, properties=without(state, name) | {(name, value)}), {200}))


def drop_property(numbers: random.Random) -> Change:
    name = f"p{numbers.randrange(3)}"

    def effect(state: State) -> tuple[State, set[int]]:
        kept = without(state, name)
        # Where somebody else has removed it since this request looked, it is done.
        return replace(state, properties=kept), {200} if kept != state.properties else {409, 200}

    return patch("patch", "remove", f"/{name}", "", effect)


def without(state: State, name: str) -> frozenset[tuple[str, str]]:
    return frozenset(one for one in state.properties if one[0] != name)


def delete(_numbers: random.Random) -> Change:
    return Change("delete", "DELETE", "", lambda _state: (GONE, {204}))


def switch(numbers: random.Random) -> Change:
    action, status = numbers.choice((("deactivate", "deactivated"), ("reactivate", "active")))
    return Change(action, "POST", f"/actions/{action}", lambda state: (replace(state, status=status), {204}))


def download(_numbers: random.Random) -> Change:
    return Change("download", "GET", "/file", lambda state: (state, {200 if state.status == "active" else 403}))


def add_member(numbers: random.Random) -> Change:
    member = f"member {numbers.randrange(2)}"

    def effect(state: State) -> tuple[State, set[int]]:
        return replace(state, members=state.members | {member}), {409 if member in state.members else 200}

    return Change("member add", "POST", "/members", effect, {"member": member})


def remove_member(numbers: random.Random) -> Change:
    member = f"member {numbers.randrange(2)}"

    def effect(state: State) -> tuple[State, set[int]]:
        return replace(state, members=state.members - {member}), {204 if member in state.members else 404}

    return Change("member remove", "DELETE", f"/members/{member.replace(' ', '%20')}", effect)


CHANGES = (rename, set_property, drop_property, switch, download, add_member, remove_member)


# Races


def new_image(glance: Glance) -> str:
    made = ask(glance, "POST", "/v2/images", JSON, json.dumps(FORMATS).encode())
    assert made.status == 201, made.text
    image_id = str(made.json["id"])
    assert ask(glance, "PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, DATA).status == 204
    return image_id


def look(glance: Glance, image_id: str) -> State:
    shown = ask(glance, "GET", f"/v2/images/{image_id}")
    if shown.status == 404:
        return GONE
    members = ask(glance, "GET", f"/v2/images/{image_id}/members").json["members"]
    properties = frozenset((name, value) for name, value in shown.json.items() if name in {"p0", "p1", "p2"})
    return State(shown.json["status"], shown.json["name"], properties, frozenset(one["member_id"] for one in members))


def is_explained(before: State, pair: list[Change], answers: list[int], after: State) -> bool:
    """Whether one of both orders comes to that."""
    for order in itertools.permutations(zip(pair, answers, strict=True)):
        state, right = before, True
        for change, answer in order:
            state, expected = change.after(state)
            right = right and answer in expected
        if right and state == after:
            return True
    return False


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("database", ON_EACH)
def test_changes_of_one_image_at_once_then_explained_by_some_order(
    request: pytest.FixtureRequest, tmp_path: Path, report: Report, rounds: Rounds, database: str
) -> None:
    images = rounds(20, 1000)
    seen: Counter[str] = Counter()
    unexplained: list[str] = []
    with served_on(request, tmp_path, database, workers=2, flavor="trusted-auth") as glance:

        def race(numbers: random.Random) -> str:
            image_id = new_image(glance)
            state = look(glance, image_id)
            for number in range(PAIRS):
                first = (delete,) if number == PAIRS - 1 else CHANGES
                pair = [numbers.choice(kinds)(numbers) for kinds in (first, (*first, *CHANGES))]
                answers = at_once(*(partial(change.send, glance, image_id) for change in pair))
                before, state = state, look(glance, image_id)
                seen[" x ".join(sorted(change.label for change in pair))] += 1
                if not is_explained(before, pair, answers, state):
                    unexplained.append(f"{[(one.label, one.path, one.document) for one in pair]} answered {answers}: {before} -> {state}")
            return state.status

        assert tally(race, images, SEED) == {"deleted": images}
    report(f"R32 {database}: {seen.total()} pairs of {len(seen)} kinds, explained by some order {seen.total() - len(unexplained)}")
    assert not unexplained, "\n".join(unexplained)
