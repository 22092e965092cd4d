"""Rules about what is kept of uploads that failed."""

from __future__ import annotations

from dataclasses import replace

from glance.interfaces import Registry
from glance.model.image import Failure, Held
from glance.testing.registry_rules.scene import ALICE, Advance, Scene, create, start, stored, upload_of

SENTENCE = "The store 'file' has no room left for this image."
FROM_A_REQUEST = replace(ALICE, request_id="req-1")


class FailureRules(Scene):
    def test_last_failure_when_nothing_failed_is_none(self, registry: Registry) -> None:
        upload = start(registry)
        assert registry.uploads.last_failure(upload.image_id) is None
        registry.uploads.finish(ALICE, upload.image_id, upload.attempt, stored(upload.image_id))
        assert registry.uploads.last_failure(upload.image_id) is None

    def test_abandon_when_it_says_why_keeps_that(self, registry: Registry, advance: Advance) -> None:
        upload = start(registry, FROM_A_REQUEST)
        advance(5)
        registry.uploads.abandon(upload.image_id, upload.attempt, "killed", SENTENCE)
        updated_at = registry.images.get(ALICE, upload.image_id).updated_at
        assert updated_at is not None
        assert registry.uploads.last_failure(upload.image_id) == Failure(updated_at, "saving", SENTENCE, "req-1")

    def test_abandon_when_another_failed_before_keeps_the_last(self, registry: Registry, advance: Advance) -> None:
        image = create(registry)
        stages: tuple[Held, ...] = ("saving", "uploading")
        for number, status in enumerate(stages):
            upload = upload_of(image.id)
            registry.uploads.start(replace(ALICE, request_id=f"req-{number}"), upload, status)
            advance(1)
            registry.uploads.abandon(image.id, upload.attempt, "queued", f"Failure {number}.")
        failure = registry.uploads.last_failure(image.id)
        assert failure is not None
        assert (failure.at, failure.status) == (registry.images.get(ALICE, image.id).updated_at, "uploading")
        assert (failure.reason, failure.request_id) == ("Failure 1.", "req-1")

    def test_fail_when_the_attempt_stays_is_told_by_whoever_ends_it(self, registry: Registry) -> None:
        upload = start(registry, FROM_A_REQUEST)
        registry.uploads.fail(upload.image_id, upload.attempt, SENTENCE)
        assert registry.uploads.last_failure(upload.image_id) is None
        registry.uploads.take_over(upload.image_id, upload.attempt, "recovery", "worker")
        registry.uploads.abandon(upload.image_id, "recovery", "queued", "Its process ended.")
        failure = registry.uploads.last_failure(upload.image_id)
        assert failure is not None
        assert (failure.reason, failure.request_id) == (SENTENCE, "req-1")

    def test_fail_when_the_attempt_is_not_on_record_changes_nothing(self, registry: Registry) -> None:
        upload = start(registry)
        registry.uploads.fail(upload.image_id, "other", SENTENCE)
        registry.uploads.abandon(upload.image_id, upload.attempt, "queued", "Its process ended.")
        failure = registry.uploads.last_failure(upload.image_id)
        assert failure is not None
        assert failure.reason == "Its process ended."

    def test_abandon_when_the_sentence_is_long_keeps_its_begin(self, registry: Registry) -> None:
        upload = start(registry)
        registry.uploads.fail(upload.image_id, upload.attempt, "é" * 300)
        registry.uploads.abandon(upload.image_id, upload.attempt, "queued", "x" * 300)
        failure = registry.uploads.last_failure(upload.image_id)
        assert failure is not None
        assert failure.reason == "é" * 255

    def test_abandon_when_the_image_was_deleted_keeps_nothing(self, registry: Registry) -> None:
        upload = start(registry)
        registry.images.delete(ALICE, upload.image_id)
        registry.uploads.abandon(upload.image_id, upload.attempt, "queued", SENTENCE)
        assert registry.uploads.last_failure(upload.image_id) is None
