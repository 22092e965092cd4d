"""Staging with python-glanceclient and python-openstackclient as they are published, against real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import DATA, Clients, properties


@pytest.fixture
def queued(glance: Glance) -> Iterator[str]:
    """The id of an image that has neither data nor formats; it is deleted afterwards."""
    image_id = str(glance.request("POST", "/v2/images", {}, b"{}").json["id"])
    yield image_id
    glance.request("DELETE", f"/v2/images/{image_id}")


def check_staged(glance: Glance, clients: Clients, image_id: str) -> None:
    shown = properties(clients.glance(2, "image-show", image_id))
    assert (shown["status"], shown["size"], shown["checksum"]) == ("uploading", str(len(DATA)), "None")
    assert (glance.staging / image_id).read_bytes() == DATA


def test_glance_stage_when_a_file_is_given_then_stages_it_and_draws_progress(glance: Glance, clients: Clients, queued: str, source: Path) -> None:
    screen = clients.glance_on_screen(2, "image-stage", queued, "--file", str(source), "--progress")

    assert "100%" in screen
    check_staged(glance, clients, queued)


def test_glance_stage_when_data_are_piped_then_stages_what_comes(glance: Glance, clients: Clients, queued: str, source: Path) -> None:
    clients.glance(2, "image-stage", queued, source=source)

    check_staged(glance, clients, queued)


def test_glance_stage_when_staged_before_then_told_the_conflict(clients: Clients, queued: str, source: Path) -> None:
    clients.glance(2, "image-stage", queued, "--file", str(source))

    assert "HTTP 409 Conflict" in clients.glance_error(2, "image-stage", queued, "--file", str(source))


def test_glance_delete_when_staged_then_the_file_is_gone(glance: Glance, clients: Clients, queued: str, source: Path) -> None:
    clients.glance(2, "image-stage", queued, "--file", str(source))

    clients.glance(2, "image-delete", queued)

    assert not (glance.staging / queued).exists()


def test_openstack_stage_when_a_file_is_given_then_stages_it(glance: Glance, clients: Clients, queued: str, source: Path) -> None:
    clients.openstack("image", "stage", "--file", str(source), queued)

    check_staged(glance, clients, queued)
