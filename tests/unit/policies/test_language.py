"""The text of a policy file: whatever oslo.policy would take for something else is refused in plain words."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
from oslo_policy.policy import Rules

from glance.policies import language


@pytest.mark.parametrize(
    ("check", "read"),
    [
        ("", "@"),
        ("@", "@"),
        ("!", "!"),
        ("(!)", "!"),
        ("role:a AND NOT (role:b Or role:c)", "(role:a and not (role:b or role:c))"),
        ("not not role:a", "not not role:a"),
        ("(role:a or 'public':%(visibility)s)\n", "(role:a or 'public':%(visibility)s)"),
        ([], "@"),
        ([["role:a"], ["role:b", "owner:%(owner)s"], "rule:c"], "(role:a or (role:b and owner:%(owner)s) or rule:c)"),
    ],
)
def test_load_when_a_check_can_be_understood_then_it_is_as_written(check: object, read: str) -> None:
    assert {name: str(found) for name, found in language.load(json.dumps({"add_image": check})).items()} == {"add_image": read}


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n"])
def test_load_when_the_file_says_nothing_then_no_rules(text: str) -> None:
    assert language.load(text) == {}


WRONG = [
    "role:admin and",
    "role:admin role:b",
    "role:admin & role:b",
    "or role:admin",
    "(role:admin",
    "()",
    " ",
    "admin",
    "role:a or admin",
    "!!",
    "'role:admin'",
    None,
    3,
    True,
    {"role": "admin"},
    ["admin"],
    [[3]],
    [["role:a", ""]],
    [{"role:a": "role:b"}],
]


@pytest.mark.parametrize("check", WRONG, ids=repr)
def test_load_when_a_check_means_nothing_then_refused_with_its_rule_and_nothing_logged(check: object, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=r"^the rule add_image has a check that means nothing: "):
        language.load(json.dumps({"get_image": "@", "add_image": check}))
    assert not caplog.records


@pytest.mark.parametrize("text", ["- a list", "3", "words", "[1]"])
def test_load_when_the_file_holds_no_rules_then_says_what_it_should(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it must hold lines of the form NAME: CHECK$"):
        language.load(text)


def test_load_when_the_name_of_a_rule_is_no_text_then_refused() -> None:
    with pytest.raises(ValueError, match=r"^the name of a rule must be a text, so put it in quotes: False$"):
        language.load("no: role:x")


def test_load_when_words_follow_one_another_in_any_way_then_those_are_refused_that_the_library_does_not_understand(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "oslo_policy")
    for length in range(1, 6):
        for words in itertools.product(("k:v", "and", "or", "not", "(", ")"), repeat=length):
            check = " ".join(words)
            assert is_loaded(check) is (str(Rules.from_dict({"add_image": check})["add_image"]) != "!"), check


def is_loaded(check: str) -> bool:
    try:
        language.load(json.dumps({"add_image": check}))
    except ValueError:
        return False
    return True
