"""Rules of texts: whatever properties, tags and locations say comes back as it was, one image at a time and in lists. What differs by a space at its
end alone is something else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Condition, Image, ImageChanges, ImageQuery, Location
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Scene, create, create_active, share

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


class SpaceRules(Scene):
    def test_tags_when_they_differ_by_a_space_are_two(self, registry: Registry) -> None:
        both = create(registry, tags=("a", "a "))
        assert registry.images.get(ALICE, both.id).tags == ("a", "a ")
        one = create(registry, tags=("a",))
        assert registry.images.update(ALICE, one.id, ImageChanges(tag="a ")).tags == ("a", "a ")
        assert registry.images.update(ALICE, one.id, ImageChanges(untag="a")).tags == ("a ",)
        assert registry.images.update(ALICE, one.id, ImageChanges(tags=("a",))).tags == ("a",)

    def test_properties_when_their_names_differ_by_a_space_are_two(self, registry: Registry) -> None:
        both = {"p": "1", "p ": "2"}
        assert create(registry, properties=both).properties == both
        image = create(registry, properties={"p": "1"})
        assert registry.images.update(ALICE, image.id, ImageChanges(properties={"p ": "2"})).properties == both
        assert registry.images.update(ALICE, image.id, ImageChanges(dropped=frozenset({"p"}))).properties == {"p ": "2"}

    def test_members_when_they_differ_by_a_space_are_two(self, registry: Registry) -> None:
        image = create(registry)
        for member in ("bob", "bob "):
            registry.members.add(ALICE, image.id, member, maximum=-1)
        registry.members.remove(ALICE, image.id, "bob ")
        assert [one.member for one in registry.members.list(ALICE, image.id)] == ["bob"]

    def test_image_when_its_member_is_called_like_a_caller_and_a_space_is_not_shared_with_that_caller(self, registry: Registry) -> None:
        image = create(registry, visibility="shared")
        share(registry, image, "bob ")
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(BOB, image.id)
        with pytest.raises(errors.MemberNotFound):
            registry.members.answer(ADMIN, image.id, "bob", "accepted")
        assert registry.members.shared_with(BOB, "bob") == []
        assert registry.images.list(BOB, ImageQuery(scope="accessible")) == []
        assert [one.member for one in registry.members.list(ALICE, image.id)] == ["bob "]

    def test_image_when_its_owner_is_called_like_a_caller_and_a_space_is_not_the_caller_s(self, registry: Registry) -> None:
        image = create(registry, ADMIN, owner="alice ", visibility="private")
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(ALICE, image.id)
        assert registry.images.list(ALICE, ImageQuery()) == []

    @pytest.mark.parametrize("field", ["name", "checksum", "os_hash_value", "owner"])
    def test_lists_when_an_attribute_ends_in_a_space_find_only_it(self, registry: Registry, field: str) -> None:
        plain, spaced = (create(registry, ADMIN, **{field: value}) for value in ("x", "x "))
        for value, image in (("x", plain), ("x ", spaced)):
            for query in (ImageQuery({field: value}, scope="all"), ImageQuery(conditions=(Condition(field, "in", (value,)),), scope="all")):
                assert [one.id for one in registry.images.list(ADMIN, query)] == [image.id]

    def test_lists_when_properties_and_tags_end_in_a_space_find_only_those(self, registry: Registry) -> None:
        plain = create(registry, properties={"p": "v"}, tags=("t",))
        spaced = create(registry, properties={"p": "v "}, tags=("t ",))
        for end, image in (("", plain), (" ", spaced)):
            for query in (ImageQuery(properties={"p": f"v{end}"}), ImageQuery(tags=(f"t{end}",))):
                assert [one.id for one in registry.images.list(ALICE, query)] == [image.id]
        assert registry.images.list(ALICE, ImageQuery(properties={"p ": "v"})) == []

    def test_lists_when_names_differ_by_a_space_go_on_behind_each(self, registry: Registry) -> None:
        names = ("x", "x ", "x !", "x!")
        ids = {name: create(registry, name=name).id for name in names}
        for name, next_one in pairwise(names):
            [found] = registry.images.list(ALICE, ImageQuery(sort=(("name", "asc"),), marker=ids[name], limit=1))
            assert found.name == next_one

    def test_ids_when_a_space_follows_them_are_no_ids(self, registry: Registry) -> None:
        image = create_active(registry)
        other = f"{image.id} "
        for refused in (
            lambda: registry.images.get(ALICE, other),
            lambda: registry.images.update(ALICE, other, ImageChanges(tag="t")),
            lambda: registry.images.delete(ALICE, other),
            lambda: registry.members.add(ALICE, other, "bob", maximum=-1),
            lambda: registry.members.list(ALICE, other),
        ):
            with pytest.raises(errors.ImageNotFound):
                refused()
        with pytest.raises(errors.InvalidParameter):
            registry.images.list(ALICE, ImageQuery(marker=other))
        assert registry.images.list(ALICE, ImageQuery({"id": other})) == []

    def test_locations_when_they_differ_by_a_space_are_two(self, registry: Registry) -> None:
        kept = create_active(registry).locations[0].url
        other = create(registry, locations=(Location(f"{kept} ", "file", owned=False),))
        assert [one.url for one in other.locations] == [f"{kept} "]

    def test_duties_when_they_differ_by_a_space_are_two(self, registry: Registry) -> None:
        assert registry.duties.take("sweeping", "first") == "first"
        assert registry.duties.take("sweeping ", "second") == "second"
