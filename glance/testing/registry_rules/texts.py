"""Rules of texts: whatever properties, tags and locations say comes back as it was, one image at a time and in lists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glance.interfaces import Registry
from glance.model.image import Image, ImageQuery, Location
from glance.testing.registry_rules.scene import ADMIN, ALICE, Scene, create

#: Those that no client can bring into a property, and the tab, which clients can.
CONTROLS = "".join(map(chr, (*range(1, 32), 127)))

#: What languages, SQL and JSON give a meaning to; no NUL, which PostgreSQL does not keep.
TEXTS = {
    "quotes": '"it\'s" `so`',
    "only-quotes": '"' * 255,
    "backslashes": '\\ \\\\ \\" \\n \\u0041 \\x41 \\',
    "statement": '"; DROP TABLE images; --',
    "pattern": "100%_ %s %(name)s :name ?",
    "document": '{"a": [1, "b", null], "a": {}}',
    "words": "null",
    "numbers": "0123",
    "scripts": "naïve 東京 עברית",
    "emoji": "\U0001f5bc \U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \U0010ffff",
    "separators": "\t\x85\x9f\u2028\u2029\ufeff\u00a0\ufffe",
    "long": "x" * 60_000,
    "long-escaped": '"\\' * 30_000,
    "long-scripts": "京" * 20_000,
}

#: Characters of a name, a tag and a store.
_NAME = 255


def listed(registry: Registry, image: Image) -> Image:
    """The image as lists show it."""
    [found] = registry.images.list(ADMIN, ImageQuery(equal={"id": image.id}, scope="everything"))
    return found


each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


class TextRules(Scene):
    @each_text
    def test_properties_when_text_is_odd_then_they_come_back_as_they_were(self, registry: Registry, text: str) -> None:
        properties = {text[:_NAME]: text, "plain": "value", "nothing": None}
        image = create(registry, properties=properties)
        assert registry.images.get(ALICE, image.id).properties == properties
        assert listed(registry, image).properties == properties

    @each_text
    def test_tags_when_text_is_odd_then_they_come_back_as_they_were(self, registry: Registry, text: str) -> None:
        tags = tuple(sorted((text[:_NAME], "plain")))
        image = create(registry, tags=tags)
        assert registry.images.get(ALICE, image.id).tags == tags
        assert listed(registry, image).tags == tags

    @each_text
    def test_locations_when_text_is_odd_then_they_come_back_as_they_were(self, registry: Registry, text: str) -> None:
        # What metadata hold is written in ASCII, which takes more room.
        metadata = {text[:_NAME]: [text[:5000], {"deep": text[:_NAME]}]}
        locations = (Location(text, text[:_NAME], metadata), Location("file:///plain", "file"))
        image = create(registry, locations=locations)
        for found in (registry.images.get(ALICE, image.id), listed(registry, image)):
            assert found.locations == image.locations
            assert tuple(replace(one, id=None) for one in found.locations) == locations

    def test_image_when_its_texts_are_longer_than_a_mebibyte_then_they_come_back_as_they_were(self, registry: Registry) -> None:
        texts = [f"{number}{text}" for number in range(8) for text in TEXTS.values() if len(text) > _NAME]
        properties = {text[:_NAME]: text for text in texts}
        image = create(registry, properties=properties, locations=tuple(Location(text, "file") for text in texts))
        for found in (registry.images.get(ALICE, image.id), listed(registry, image)):
            assert found.properties == properties
            assert [one.url for one in found.locations] == texts

    def test_tags_and_locations_when_they_have_control_characters_then_they_come_back_as_they_were(self, registry: Registry) -> None:
        image = create(registry, tags=(CONTROLS,), locations=(Location(CONTROLS, CONTROLS, {CONTROLS: CONTROLS}),))
        for found in (registry.images.get(ALICE, image.id), listed(registry, image)):
            assert found.tags == (CONTROLS,)
            assert [(one.url, one.store, one.metadata) for one in found.locations] == [(CONTROLS, CONTROLS, {CONTROLS: CONTROLS})]
