"""R14: data that somebody deleted behind the service."""

from __future__ import annotations

import os

from tests.faults.clients import age, download, marked, stored
from tests.faults.conftest import Report, Scene


def test_download_when_the_data_are_gone_then_404_says_so_and_the_image_can_be_deleted(scene: Scene, report: Report) -> None:
    glance = scene.glance
    other = os.urandom(1000)
    whole = stored(glance, other)
    image_id = stored(glance, os.urandom(scene.place.size))
    age(glance, image_id)
    scene.place.erase(image_id)

    answers = [download(glance, image_id, path) for path in ("/v1/images/{}", "/v2/images/{}/file")]

    for answer in answers:
        assert answer.status == 404
        assert "cannot be found in its store" in answer.text
    assert marked(glance, image_id) == [True]
    assert glance.request("GET", f"/v2/images/{image_id}").status == 200
    assert download(glance, whole).body == other
    for one in (image_id, whole):
        assert glance.request("DELETE", f"/v2/images/{one}").status == 204
    report(f"R14 {scene.place.driver}: data deleted behind the service: {[answer.status for answer in answers]} with the reason, in both versions")
