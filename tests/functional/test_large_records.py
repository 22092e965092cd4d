"""Records that take more than one packet on their way to the registry, in real processes."""

from __future__ import annotations

import json

from glance.testing.servers import Glance


def test_image_when_its_properties_are_longer_than_a_receive_buffer_then_kept_whole(glance: Glance) -> None:
    image = {"name": "large", **{f"property_{number}": chr(ord("a") + number) * 60_000 for number in range(12)}}
    created = glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, json.dumps(image).encode())
    assert created.status == 201, created.body[:200]

    shown = glance.request("GET", f"/v2/images/{created.json['id']}").json

    differing = [name for name, value in image.items() if shown[name] != value]
    assert differing == []
