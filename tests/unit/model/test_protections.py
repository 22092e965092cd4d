"""Which section of the protections decides about a property (spec-v2 3.9, security S08, G50)."""

from __future__ import annotations

import re
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from glance.model.protections import ACTIONS, EVERYONE, NOBODY, Protection, Protections

WHO = st.frozensets(st.sampled_from([EVERYONE, NOBODY, "admin", "member"]), min_size=1)
PATTERNS = st.sampled_from(["^x_", "x", ".*", "a.b", r"a\.b", "a#b", "B", "$", "os_glance"])
SECTIONS = st.builds(Protection, PATTERNS.map(re.compile), st.fixed_dictionaries(dict.fromkeys(ACTIONS, WHO)))
PROTECTIONS = st.builds(Protections, st.lists(SECTIONS).map(tuple))
NAMES = st.one_of(st.text("xab.#B_", max_size=8), st.text(max_size=300))


@settings(derandomize=True, deadline=None)
@given(PROTECTIONS, SECTIONS, NAMES, st.sampled_from(ACTIONS))
def test_permitted_whatever_follows_the_section_that_decides_then_stays(protections, later, name, action):
    decided = any(section.pattern.search(name) for section in protections.sections)
    followed = Protections((*protections.sections, later))

    assert followed.permitted(name, action) == protections.permitted(name, action) or not decided


@settings(derandomize=True, deadline=None)
@given(PROTECTIONS, SECTIONS, NAMES, st.sampled_from(ACTIONS))
def test_permitted_when_the_first_section_has_the_name_then_it_alone_counts(protections, first, name, action):
    preceded = Protections((first, *protections.sections))
    if name.startswith("os_glance"):
        expected = {EVERYONE}
    elif len(name) > 255:
        expected = {NOBODY}
    elif first.pattern.search(name):
        expected = first.permitted[action]
    else:
        expected = protections.permitted(name, action)

    assert preceded.permitted(name, action) == expected


def test_permitted_when_no_section_has_the_name_then_nobody_is():
    protections = Protections((Protection(re.compile("^x_"), dict.fromkeys(ACTIONS, frozenset({EVERYONE}))),))

    assert {protections.permitted("y_x_", action) for action in ACTIONS} == {frozenset({NOBODY})}


def test_permitted_when_a_name_only_contains_the_reserved_prefix_then_it_is_protected_like_others():
    protections = Protections((Protection(re.compile("^x_"), dict.fromkeys(ACTIONS, frozenset({NOBODY}))),))

    assert protections.permitted("x_os_glance", "read") == {NOBODY}
    assert protections.permitted("os_glance_x", "read") == {EVERYONE}


def test_permitted_when_a_name_is_endless_then_a_pattern_that_backtracks_is_not_tried():
    protections = Protections((Protection(re.compile("(a+)+$"), dict.fromkeys(ACTIONS, frozenset({EVERYONE}))),))
    begun = time.process_time()

    assert protections.permitted("a" * 100_000 + "!", "read") == {NOBODY}
    assert time.process_time() - begun < 5  # seconds; tried, it would take years
