"""Rules of what is on record for the data that lie in stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glance.interfaces import Registry
from glance.model.image import Location, Standing
from glance.testing.registry_rules.scene import ALICE, BOB, Scene, create, create_active, location_of, start, stored

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def statuses(standing: Standing) -> list[str]:
    return [one.status for one in standing.locations]


class StandingRules(Scene):
    def test_named_then_tells_status_locations_and_uploads_of_those_ids_only(self, registry: Registry) -> None:
        image, queued, upload = create_active(registry), create(registry, BOB), start(registry)
        create_active(registry)
        assert registry.locations.named([image.id, queued.id, upload.image_id, UNKNOWN]) == {
            image.id: Standing("active", image.locations),
            queued.id: Standing("queued"),
            upload.image_id: Standing("saving", uploading=True),
        }
        assert registry.locations.named([]) == {}

    def test_named_when_an_upload_ends_then_its_data_have_a_record_before_and_after(self, registry: Registry) -> None:
        upload = start(registry)
        registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        [standing] = registry.locations.named([upload.image_id]).values()
        assert (standing.status, statuses(standing), standing.uploading) == ("active", ["active"], False)
        failed = start(registry)
        registry.uploads.abandon(failed.image_id, failed.attempt, "killed")
        assert registry.locations.named([failed.image_id]) == {failed.image_id: Standing("killed")}

    def test_named_when_an_image_is_deleted_then_its_locations_stay_on_record(self, registry: Registry) -> None:
        image, delayed = create_active(registry), create_active(registry)
        [waiting] = registry.images.delete(ALICE, image.id).locations
        registry.images.delete(ALICE, delayed.id, delayed=True)
        found = registry.locations.named([image.id, delayed.id])
        assert {one: (standing.status, statuses(standing)) for one, standing in found.items()} == {
            image.id: ("deleted", ["pending_delete"]),
            delayed.id: ("pending_delete", ["pending_delete"]),
        }
        registry.locations.erased(waiting.id or 0)
        assert registry.locations.named([image.id]) == {image.id: Standing("deleted", (replace(waiting, status="deleted"),))}

    def test_named_when_an_image_is_deleted_in_the_middle_of_an_upload_then_the_upload_counts(self, registry: Registry) -> None:
        upload = start(registry)
        registry.images.delete(ALICE, upload.image_id)
        assert registry.locations.named([upload.image_id]) == {upload.image_id: Standing("deleted", uploading=True)}

    @pytest.mark.parametrize("number", [1, 1000])
    def test_named_and_claimed_when_many_are_asked_for_then_told_at_once(self, registry: Registry, number: int) -> None:
        image = create_active(registry)
        ids = [image.id, *(f"00000000-0000-4000-8000-{turn:012}" for turn in range(number - 1))]
        assert list(registry.locations.named(ids)) == [image.id]
        assert registry.locations.claimed([location_of(one).url for one in ids]) == {image.locations[0].url}

    def test_claimed_then_tells_urls_of_whatever_image_until_their_data_are_erased(self, registry: Registry) -> None:
        image, pointing = create_active(registry), create(registry)
        elsewhere = Location("http://web/x", "http", owned=False)
        registry.images.activate(ALICE, pointing.id, elsewhere, 3)
        kept = image.locations[0].url
        assert registry.locations.claimed([kept, elsewhere.url, "http://web/y"]) == {kept, elsewhere.url}
        [waiting] = registry.images.delete(ALICE, image.id).locations
        assert registry.locations.claimed([kept]) == {kept}
        registry.locations.erased(waiting.id or 0)
        assert registry.locations.claimed([kept]) == frozenset()
