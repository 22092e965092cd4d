"""Rules of ``UploadRecords``: attempts, leases and fencing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Held
from glance.testing.registry_rules.scene import (
    ADMIN,
    ALICE,
    BOB,
    Advance,
    Scene,
    at_once,
    create,
    create_active,
    kinds,
    share,
    start,
    stored,
    upload_of,
)

LEASE = 60


class UploadRules(Scene):
    def test_start_when_the_image_is_queued_makes_it_saving(self, registry: Registry, advance: Advance) -> None:
        image = create(registry)
        upload = upload_of(image.id, on_failure="queued")
        advance(5)
        started = registry.uploads.start(ALICE, upload)
        saving = started.image
        assert (saving.status, started.limited) == ("saving", False)
        assert saving == registry.images.get(ALICE, image.id)
        assert saving.updated_at != image.updated_at
        assert list(registry.uploads.leases()) == [(upload, False)]

    @pytest.mark.parametrize("status", ["uploading", "importing"])
    def test_start_in_another_status_holds_the_image_the_same_way(self, registry: Registry, status: Held) -> None:
        upload = start(registry, status=status)
        assert registry.images.get(ALICE, upload.image_id).status == status
        with pytest.raises(errors.NotQueued):
            registry.uploads.start(ALICE, upload_of(upload.image_id))
        assert registry.uploads.abandon(upload.image_id, upload.attempt, "queued")
        assert registry.images.get(ALICE, upload.image_id).status == "queued"

    def test_finish_when_the_data_are_taken_over_activates_the_image(self, registry: Registry) -> None:
        upload = start(registry, status="importing")
        assert registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id)).status == "active"

    def test_finish_when_staged_data_are_called_active_raises(self, registry: Registry) -> None:
        upload = start(registry, status="uploading")
        with pytest.raises(errors.UploadLost):
            registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        assert registry.images.get(ALICE, upload.image_id).status == "uploading"

    def test_finish_when_the_data_are_staged_leaves_the_image_uploading(self, registry: Registry) -> None:
        upload = start(registry, status="uploading")
        data = stored(upload.image_id)
        staged = replace(data, location=replace(data.location, status="staged"), checksum=None, os_hash_algo=None, os_hash_value=None)
        image = registry.uploads.finish(ALICE, upload.image_id, upload.attempt, staged)
        assert (image.status, image.size, image.checksum, image.location) == ("uploading", data.size, None, None)
        assert [location.status for location in image.locations] == ["staged"]
        assert list(registry.uploads.leases()) == []
        (waiting,) = registry.images.delete(ALICE, upload.image_id).locations
        assert registry.locations.condemned() == [(upload.image_id, waiting)]

    def test_start_when_the_image_is_not_queued_raises(self, registry: Registry) -> None:
        saving, active = start(registry), create_active(registry)
        for image_id in (saving.image_id, active.id):
            with pytest.raises(errors.NotQueued):
                registry.uploads.start(ALICE, upload_of(image_id))
        assert list(registry.uploads.leases()) == [(saving, False)]

    def test_start_when_two_want_one_image_lets_one_win(self, registry: Registry) -> None:
        for _ in range(10):
            image = create(registry)
            uploads = [upload_of(image.id), upload_of(image.id)]
            results = at_once(*[partial(registry.uploads.start, ALICE, upload) for upload in uploads])
            assert kinds(results) == ["NotQueued", "Started"]
            winner = uploads[0] if isinstance(results[1], errors.NotQueued) else uploads[1]
            assert (winner, False) in registry.uploads.leases()
            assert registry.uploads.finish(ALICE, image.id, winner.attempt, stored(image.id)).status == "active"

    def test_start_by_someone_else_raises(self, registry: Registry) -> None:
        invisible, shared, public = create(registry), create(registry), create(registry, visibility="public")
        share(registry, shared, "bob", can_share=True)
        for image in (invisible, shared):
            with pytest.raises(errors.ImageNotFound):
                registry.uploads.start(BOB, upload_of(image.id))
        with pytest.raises(errors.ImageForbidden):
            registry.uploads.start(BOB, upload_of(public.id))
        assert list(registry.uploads.leases()) == []

    def test_finish_when_the_attempt_holds_the_image_activates_it(self, registry: Registry, advance: Advance) -> None:
        upload = start(registry)
        advance(5)
        active = registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        data = stored(upload.image_id)
        assert (active.status, active.size, active.checksum, active.virtual_size) == ("active", data.size, data.checksum, data.virtual_size)
        assert (active.os_hash_algo, active.os_hash_value) == (data.os_hash_algo, data.os_hash_value)
        assert active.location is not None
        assert (active.location.url, active.location.store, active.location.metadata) == (data.location.url, "file", {"part": 1})
        assert active == registry.images.get(ALICE, upload.image_id)
        assert active.updated_at != active.created_at
        assert list(registry.uploads.leases()) == []

    def test_finish_when_the_attempt_is_another_one_raises(self, registry: Registry) -> None:
        upload = start(registry)
        with pytest.raises(errors.UploadLost):
            registry.uploads.finish(ALICE, upload.image_id, "other", stored(upload.image_id))
        saving = registry.images.get(ALICE, upload.image_id)
        assert (saving.status, saving.locations) == ("saving", ())

    def test_finish_when_the_image_was_deleted_raises(self, registry: Registry) -> None:
        upload = start(registry)
        registry.images.delete(ALICE, upload.image_id)
        with pytest.raises(errors.UploadLost):
            registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        gone = registry.images.get(ADMIN, upload.image_id)
        assert (gone.status, gone.locations) == ("deleted", ())

    def test_finish_when_it_was_taken_over_raises(self, registry: Registry) -> None:
        upload = start(registry)
        assert registry.uploads.take_over(upload.image_id, upload.attempt, "new", "worker")
        with pytest.raises(errors.UploadLost):
            registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))

    def test_finish_when_repeated_raises(self, registry: Registry) -> None:
        upload = start(registry)
        active = registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        with pytest.raises(errors.UploadLost):
            registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        assert registry.images.get(ALICE, upload.image_id) == active

    def test_finish_when_deleted_at_once_ends_deleted(self, registry: Registry) -> None:
        for _ in range(10):
            upload = start(registry)
            data = stored(upload.image_id)
            results = at_once(
                partial(registry.uploads.finish, ALICE, upload.image_id, upload.attempt, data),
                partial(registry.images.delete, ALICE, upload.image_id),
            )
            assert kinds(results) in (["Image", "Image"], ["Image", "UploadLost"])
            gone = registry.images.get(ADMIN, upload.image_id)
            assert gone.status == "deleted"
            waiting = [location for image_id, location in registry.locations.condemned() if image_id == upload.image_id]
            assert len(waiting) == (1 if kinds(results) == ["Image", "Image"] else 0)

    def test_start_when_deleted_at_once_ends_deleted(self, registry: Registry) -> None:
        for _ in range(10):
            image = create(registry)
            upload = upload_of(image.id)
            results = at_once(
                partial(registry.uploads.start, ADMIN, upload),
                partial(registry.images.delete, ADMIN, image.id),
            )
            assert kinds(results) in (["Image", "Started"], ["Image", "NotQueued"])
            assert registry.images.get(ADMIN, image.id).status == "deleted"
            assert ((upload, False) in registry.uploads.leases()) == (kinds(results) == ["Image", "Started"])

    def test_finish_when_taken_over_at_once_lets_one_win(self, registry: Registry) -> None:
        for _ in range(10):
            upload = start(registry)
            data = stored(upload.image_id)
            finished, taken = at_once(
                partial(registry.uploads.finish, ALICE, upload.image_id, upload.attempt, data),
                partial(registry.uploads.take_over, upload.image_id, upload.attempt, f"new {upload.attempt[:8]}", "worker"),
            )
            assert isinstance(finished, errors.UploadLost) == taken
            assert registry.images.get(ALICE, upload.image_id).status == ("saving" if taken else "active")

    @pytest.mark.parametrize("status", ["killed", "queued"])
    def test_abandon_when_the_attempt_holds_the_image_lets_it_fall(self, registry: Registry, advance: Advance, status: str) -> None:
        upload = start(registry)
        advance(5)
        assert registry.uploads.abandon(upload.image_id, upload.attempt, status)
        image = registry.images.get(ALICE, upload.image_id)
        assert image.status == status
        assert image.updated_at != image.created_at
        assert list(registry.uploads.leases()) == []
        assert not registry.uploads.abandon(upload.image_id, upload.attempt, status)

    @pytest.mark.parametrize("status", ["killed", "queued"])
    def test_abandon_to_the_queue_forgets_what_was_known_of_the_data(self, registry: Registry, status: str) -> None:
        known: dict[str, Any] = {"size": 5, "virtual_size": 7, "checksum": "ab" * 16, "os_hash_algo": "sha512", "os_hash_value": "cd" * 64}
        image = create(registry, min_disk=3, **known)
        upload = upload_of(image.id)
        registry.uploads.start(ALICE, upload)
        registry.uploads.abandon(image.id, upload.attempt, status)
        fallen = registry.images.get(ALICE, image.id)
        expected = image.changed({} if status == "killed" else dict.fromkeys(known))
        assert fallen == expected.changed({"status": status, "updated_at": fallen.updated_at})

    def test_abandon_when_the_attempt_is_another_one_changes_nothing(self, registry: Registry) -> None:
        upload = start(registry)
        assert not registry.uploads.abandon(upload.image_id, "other", "killed")
        assert registry.images.get(ALICE, upload.image_id).status == "saving"
        assert list(registry.uploads.leases()) == [(upload, False)]

    def test_abandon_when_the_image_was_deleted_leaves_it_deleted(self, registry: Registry) -> None:
        upload = start(registry)
        registry.images.delete(ALICE, upload.image_id)
        assert list(registry.uploads.leases()) == [(upload, False)]
        assert registry.uploads.abandon(upload.image_id, upload.attempt, "queued")
        assert registry.images.get(ADMIN, upload.image_id).status == "deleted"
        assert list(registry.uploads.leases()) == []

    def test_start_after_a_failed_attempt_works_again(self, registry: Registry) -> None:
        upload = start(registry)
        registry.uploads.abandon(upload.image_id, upload.attempt, "queued")
        again = upload_of(upload.image_id)
        registry.uploads.start(ALICE, again)
        assert registry.uploads.finish(ALICE, upload.image_id, again.attempt, stored(upload.image_id)).status == "active"

    def test_lease_when_not_renewed_runs_out(self, registry: Registry, advance: Advance) -> None:
        kept, lost = start(registry), start(registry)
        advance(LEASE - 1)
        registry.uploads.renew([kept.attempt, "unknown"])
        assert sorted(registry.uploads.leases(), key=str) == sorted([(kept, False), (lost, False)], key=str)
        advance(1)
        assert sorted(registry.uploads.leases(), key=str) == sorted([(kept, False), (lost, True)], key=str)
        advance(LEASE)
        assert {expired for _upload, expired in registry.uploads.leases()} == {True}

    def test_leases_when_asked_for_those_that_ran_out_long_ago_tells_them(self, registry: Registry, advance: Advance) -> None:
        old = start(registry)
        advance(LEASE)
        new = start(registry)
        advance(LEASE)
        for seconds, expired in ((0, {old, new}), (LEASE, {old}), (LEASE + 1, set())):
            assert {upload for upload, over in registry.uploads.leases(seconds) if over} == expired

    def test_renew_when_nothing_is_given_does_nothing(self, registry: Registry) -> None:
        registry.uploads.renew([])
        assert list(registry.uploads.leases()) == []

    def test_take_over_when_an_attempt_died_begins_a_lease_of_its_own(self, registry: Registry, advance: Advance) -> None:
        upload = start(registry, on_failure="queued")
        advance(LEASE)
        assert registry.uploads.take_over(upload.image_id, upload.attempt, "new", "worker")
        ((taken, expired),) = registry.uploads.leases()
        assert (taken.attempt, taken.worker, taken.store, taken.on_failure, expired) == ("new", "worker", "file", "queued", False)
        assert not registry.uploads.take_over(upload.image_id, upload.attempt, "newer", "worker")
        assert not registry.uploads.abandon(upload.image_id, upload.attempt, "killed")
        assert registry.uploads.abandon(upload.image_id, "new", "killed")

    def test_take_over_when_two_want_it_at_once_lets_one_win(self, registry: Registry) -> None:
        for number in range(10):
            upload = start(registry)
            names = [f"{number} first", f"{number} second"]
            results = at_once(*[partial(registry.uploads.take_over, upload.image_id, upload.attempt, name, name) for name in names])
            assert sorted(map(bool, results)) == [False, True]

    def test_take_over_when_the_image_was_deleted_works(self, registry: Registry) -> None:
        upload = start(registry)
        registry.images.delete(ALICE, upload.image_id)
        assert registry.uploads.take_over(upload.image_id, upload.attempt, "new", "worker")
        assert registry.uploads.abandon(upload.image_id, "new", "killed")
        assert registry.images.get(ADMIN, upload.image_id).status == "deleted"
