"""GET of image data with ?prefer=: stores that a client wants them read from first (spec-v2 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.policies.engine import PolicyEngine
from tests.api.conftest import Api
from tests.copies import add_copy, several_stores

#: What each copy holds, so that an answer tells where it was read.
CHEAP, COSTLY = b"cheap bytes", b"cost. bytes"


@dataclass
class Scene:
    api: Api
    image_id: str
    directory: Path

    def read(self, prefer: str, asked: str | None = None) -> bytes | int:
        """The bytes, or the status of a refusal."""
        answer = self.api.request("GET", f"/v2/images/{self.image_id}/file?prefer={prefer}", {"Range": asked} if asked else {})
        return answer.body if answer.status < 300 else answer.status


@pytest.fixture
def scene(tmp_path: Path, make_api: Callable[..., Api]) -> Scene:
    api = make_api(stores=several_stores(tmp_path))
    image_id = api.new(CHEAP)
    add_copy(api.services, image_id, "costly")
    (tmp_path / "costly" / image_id).write_bytes(COSTLY)
    return Scene(api, image_id, tmp_path)


@pytest.mark.parametrize(
    ("prefer", "expected"), [("", CHEAP), ("cheap", CHEAP), ("costly", COSTLY), ("costly,cheap", COSTLY), ("web,costly", COSTLY), (",web,", CHEAP)]
)
def test_download_when_stores_are_preferred_then_the_first_of_them_that_has_a_copy_is_read(scene: Scene, prefer: str, expected: bytes) -> None:
    assert scene.read(prefer) == expected
    assert scene.read(prefer, "bytes=0-3") == expected[:4]


def test_download_when_the_preferred_copy_cannot_be_read_then_another_one_is(scene: Scene) -> None:
    (scene.directory / "costly" / scene.image_id).unlink()
    assert scene.read("costly") == CHEAP


def test_download_when_an_unknown_store_is_preferred_then_400_names_it(scene: Scene) -> None:
    answer = scene.api.request("GET", f"/v2/images/{scene.image_id}/file?prefer=cheap,zz")
    assert (answer.status, "Store 'zz' is not configured." in answer.text) == (400, True)


def test_download_when_the_site_offers_no_choice_then_400_says_so(api: Api) -> None:
    answer = api.request("GET", f"/v2/images/{api.new(CHEAP)}/file?prefer=file")
    expected = "Store selection for download is not available when multiple backends are not enabled."
    assert (answer.status, expected in answer.text) == (400, True)


def test_download_when_the_policy_forbids_to_choose_then_403_but_only_with_a_choice(make_api: Callable[..., Api], tmp_path: Path) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text('"download_from_store": "role:chooser"\n')
    api = make_api(trusted=True, stores=several_stores(tmp_path), policy=PolicyEngine(rules))
    image_id = api.as_caller("P1").new(CHEAP)
    path = f"/v2/images/{image_id}/file"
    statuses = [
        api.as_caller("P1", roles).request("GET", f"{path}{query}").status
        for roles, query in [("member", ""), ("member", "?prefer=cheap"), ("member,chooser", "?prefer=cheap")]
    ]
    assert statuses == [200, 403, 200]
