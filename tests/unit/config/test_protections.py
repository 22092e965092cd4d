"""The operator's file of property protections (spec-v2 3.9)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, protections
from glance.model.protections import ACTIONS, EVERYONE, NOBODY, Protections

WHOLE = "[{}]\ncreate = {}\nread = {}\nupdate = {}\ndelete = {}\n"


def section(pattern: str, who: str = "admin") -> str:
    return WHOLE.format(pattern, who, who, who, who)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Protections | None]:
    """What a service reads whose protections have the given text; None: there is no such file."""

    def read(text: str | None, how: str = "roles", mode: int = 0o644) -> Protections | None:
        conf, file = tmp_path / "glance-api.conf", tmp_path / "protections.conf"
        conf.write_text(f"[DEFAULT]\nproperty_protection_file = protections.conf\nproperty_protection_rule_format = {how}\n")
        conf.chmod(0o640)
        if text is not None:
            file.write_text(text)
            file.chmod(mode)
        loaded = programs.load(programs.API, ["--config-file", str(conf)])
        return protections.read(loaded.conf, loaded.directories, {"some_rule", "other_rule"})

    return read


def test_read_when_no_file_is_named_then_nothing_is_protected(tmp_path: Path) -> None:
    conf = tmp_path / "glance-api.conf"
    conf.write_text("")
    conf.chmod(0o640)

    assert protections.read(programs.load(programs.API, ["--config-file", str(conf)]).conf, [tmp_path], ()) is None


def test_read_when_sections_name_roles_then_each_action_has_its_own_in_lower_case(read: Callable[..., Protections]) -> None:
    found = read(WHOLE.format("^x_", "Admin, member ,", "@", "!", "joe"))

    assert {action: found.permitted("x_y", action) for action in ACTIONS} == {
        "create": {"admin", "member"},
        "read": {EVERYONE},
        "update": {NOBODY},
        "delete": {"joe"},
    }


def test_read_then_sections_keep_their_order_and_their_signs(read: Callable[..., Protections]) -> None:
    patterns = ["^z", "DEFAULT", "^[a-c]{2}$", "a#b", "a;b", "a:b=c", r"^\.x", "Über", ".*"]

    found = read("# who may do what\n" + "".join(section(pattern, f"role{number}") for number, pattern in enumerate(patterns)))

    names = ["zab", "DEFAULT", "ab", "a#b", "a;b", "a:b=c", ".x", "Über", "other"]
    assert [found.permitted(name, "read") for name in names] == [{f"role{number}"} for number in range(len(names))]


def test_read_when_a_name_differs_from_a_section_in_case_only_then_it_is_protected(read: Callable[..., Protections]) -> None:
    """In version 1 a name is part of that of a header, which cannot tell the two."""
    found = read(section("^billing_") + section("^Über", "joe") + section(".*", "@"))

    names = ["billing_code", "BILLING_CODE", "Billing_Code", "über", "xBILLING_"]
    assert [found.permitted(name, "update") for name in names] == [{"admin"}, {"admin"}, {"admin"}, {"joe"}, {EVERYONE}]


def test_read_when_sections_name_policies_then_they_must_exist(read: Callable[..., Protections]) -> None:
    found = read(section("^x", "some_rule") + section("^y", "@") + section("^z", "!"), "policies")

    assert found.by_policies
    assert [found.permitted(name, "update") for name in "xyz"] == [{"some_rule"}, {EVERYONE}, {NOBODY}]
    with pytest.raises(errors.ConfigurationError, match="policies that there are not: typo"):
        read(section("^x", "typo"), "policies")


MALFORMED = {
    "no file": (None, "roles", "No such file"),
    "no section": ("", "roles", "no section"),
    "no ini": ("create = admin\n", "roles", "no section headers"),
    "no pattern": (section("("), "roles", r"\[\(\] is no regular expression"),
    "twice": (section("x") * 2, "roles", "section 'x' already exists"),
    "an action that is missing": ("[x]\ncreate = admin\nread = @\nupdate = !\n", "roles", r"\[x\] delete must say who"),
    "an action for no one": (section("x", " , "), "roles", r"\[x\] create must say who"),
    "everybody and nobody": (section("x", "@,admin,!"), "roles", "both @ and !"),
    "two policies": (section("x", "some_rule, other_rule"), "policies", "must name one policy"),
    "not UTF-8": ("[\udcff]\n", "roles", "not UTF-8"),
}


@pytest.mark.parametrize(("text", "how", "cause"), MALFORMED.values(), ids=MALFORMED)
def test_read_when_the_file_cannot_be_used_then_the_start_fails_with_the_cause(
    read: Callable[..., Protections], tmp_path: Path, text: str | None, how: str, cause: str
) -> None:
    if text and "\udcff" in text:
        (tmp_path / "protections.conf").write_bytes(text.encode(errors="surrogateescape"))
        text = None

    with pytest.raises(errors.ConfigurationError, match=cause) as caught:
        read(text, how)
    assert "protections.conf cannot be used" in str(caught.value)


def test_read_when_everybody_may_write_the_file_then_the_start_fails(read: Callable[..., Protections]) -> None:
    with pytest.raises(errors.ConfigurationUnsafe, match="chmod o-w"):
        read(section("x"), mode=0o666)
