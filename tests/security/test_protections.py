"""Custom properties that an operator protects: S08. The first section that has a property's name decides, whatever later ones say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from glance.testing.servers import Options
from tests.security.matrix import ANON, PATCH_TYPE, Case

#: Who may create, read, update and delete the properties of a name; the strict sections come first.
STRICT_FIRST = {
    "^x_secret$": ("admin", "admin", "admin", "admin"),
    "^x_.*": ("admin", "member", "admin", "admin"),
    "^Upper": ("admin", "admin", "admin", "admin"),
    r"^a\.b#c$": ("member", "member", "!", "!"),
    ".*": ("member", "member", "member", "member"),
}
#: No section has any other name.
ONE_NAME = {"^known$": ("member", "member", "member", "member")}

#: What an administrator gives to an image of A.
GIVEN = {"x_owner": "finance", "x_secret": "zqhidden", "Upper_case": "zqhidden", "upper_case": "zqhidden", "a.b#c": "once", "y": "plain"}
HIDDEN = {"x_secret", "Upper_case", "upper_case"}


def protect(path: Path, sections: Mapping[str, Sequence[str]]) -> Options:
    """Writes the operator's file; returns the options that name it."""
    actions = ("create", "read", "update", "delete")
    lines = [line for name, who in sections.items() for line in (f"[{name}]", *map(" = ".join, zip(actions, who, strict=True)))]
    path.write_text("\n".join(lines))
    return {"DEFAULT": {"property_protection_file": path}}


@pytest.fixture
def protected(case: Case, tmp_path: Path) -> Iterator[Case]:
    """A service whose first rules are strict, and whose last one is not."""
    with case.with_options(protect(tmp_path / "protections.conf", STRICT_FIRST)):
        yield case


@pytest.fixture
def image_id(protected: Case) -> Iterator[str]:
    """An image of A, to which an administrator has given properties."""
    made = protected.queued("A")
    operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in GIVEN.items()]
    assert protected.json("ADM", "PATCH", f"/v2/images/{made}", operations).status == 200
    yield made
    assert protected.ask("ADM", "DELETE", f"/v2/images/{made}").status == 204


def change(case: Case, who: str, image_id: str, op: str, name: str) -> int:
    return case.json(who, "PATCH", f"/v2/images/{image_id}", [{"op": op, "path": f"/{name}", "value": "changed"}]).status


def change_v1(case: Case, who: str, image_id: str, name: str) -> int:
    """Changes one property by v1, and leaves the others alone."""
    headers = {"x-glance-registry-purge-props": "false", f"x-image-meta-property-{name}": "changed"}
    return case.ask(who, "PUT", f"/v1/images/{image_id}", headers).status


def properties(case: Case, who: str, image_id: str) -> dict[str, str]:
    """The properties of ``GIVEN`` that v2 shows."""
    image = case.ask(who, "GET", f"/v2/images/{image_id}").json
    return {name: image[name] for name in GIVEN if name in image}


def test_property_when_a_strict_rule_comes_before_a_permissive_one_then_the_strict_one_decides(protected: Case, image_id: str) -> None:
    """S08, OSSN-0013: ``x_owner`` is an administrator's to change, though the last section lets members change everything."""
    refused = 200 if protected.everybody_is_admin else 403
    create = [protected.json("A", "POST", "/v2/images", {name: "x"}).status for name in ("x_owner", "y")]
    create_v1 = [protected.ask("A", "POST", "/v1/images", {f"x-image-meta-property-{name}": "x"}).status for name in ("x_owner", "y")]
    update = [change(protected, "A", image_id, "replace", name) for name in ("x_owner", "y")]
    update_v1 = [change_v1(protected, "A", image_id, name) for name in ("x_owner", "y")]

    made = 201 if protected.everybody_is_admin else 403
    assert (create, create_v1, update, update_v1) == ([made, 201], [made, 201], [refused, 200], [refused, 200])
    assert properties(protected, "ADM", image_id)["x_owner"] == ("changed" if protected.everybody_is_admin else "finance")
    assert change(protected, "A", image_id, "remove", "x_owner") == refused
    assert change(protected, "A", image_id, "add", "X_OWNER") == refused
    protected.saw(
        f"A creates x_owner, y: v2 {create}, v1 {create_v1}; updates them: v2 {update}, v1 {update_v1}; removes x_owner, adds X_OWNER: {refused}"
    )


def test_property_when_nobody_may_change_it_then_neither_does_an_administrator(protected: Case, image_id: str) -> None:
    """S08: ``!`` is everybody, in a name with a dot and ``#``, which are no comment and, escaped, no pattern."""
    for who in ("A", "ADM"):
        assert [change(protected, who, image_id, op, "a.b#c") for op in ("replace", "remove")] == [403, 403]
        assert change_v1(protected, who, image_id, "a.b#c") == 403
        # Not that name, so the last section has it.
        assert change(protected, who, image_id, "add", "axb#c") == 200
    assert properties(protected, "A", image_id)["a.b#c"] == "once"
    protected.saw("a.b#c is changed and removed by nobody, not by ADM: 403 in v1 and v2; axb#c is another name: 200")


def test_property_when_its_rule_excludes_the_reader_then_shown_nowhere(protected: Case, image_id: str) -> None:
    """S08: a section has names in every case, as headers do; a property that cannot be read is in no list, header or answer, nor finds an image."""
    sees = protected.everybody_is_admin
    expected = GIVEN if sees else {name: value for name, value in GIVEN.items() if name not in HIDDEN}
    assert (properties(protected, "A", image_id), properties(protected, "ADM", image_id)) == (expected, GIVEN)

    rename = b'[{"op": "replace", "path": "/name", "value": "new"}]'
    requests: tuple[tuple[str, str, dict[str, str], bytes | None], ...] = (
        ("GET", "/v2/images", {}, None),
        ("PATCH", f"/v2/images/{image_id}", PATCH_TYPE, rename),
        ("HEAD", f"/v1/images/{image_id}", {}, None),
        ("GET", "/v1/images/detail?is_public=False", {}, None),
        ("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "newer", "x-glance-registry-purge-props": "false"}, None),
    )
    for method, path, headers, body in requests:
        answer = protected.ask("A", method, path, headers, body)
        said = answer.text + repr(answer.headers)
        assert (answer.status, "zqhidden" in said, "finance" in said) == (200, sees, True), path
    for path in ("/v2/images?x_secret=zqhidden", "/v1/images?is_public=False&property-x_secret=zqhidden"):
        assert [image["id"] for image in protected.ask("A", "GET", path).json["images"]] == ([image_id] if sees else [])
    shown = "shown to everybody, the administrator" if sees else "hidden from A: v2 show, list, PATCH; v1 HEAD, detail, PUT; filters of both"
    protected.saw(f"x_secret, Upper_case and upper_case are {shown}")


def test_property_when_hidden_then_v1_neither_purges_nor_overwrites_it(protected: Case, image_id: str) -> None:
    """S08: an update of v1 drops what it does not name, as far as its caller sees it."""
    kept = {f"x-image-meta-property-{name}": value for name, value in GIVEN.items() if name not in {*HIDDEN, "y"}}
    status = protected.ask("A", "PUT", f"/v1/images/{image_id}", kept).status
    over = change_v1(protected, "A", image_id, "x_secret")

    left = set(properties(protected, "ADM", image_id))
    if protected.everybody_is_admin:
        assert (status, over, left) == (200, 200, set(GIVEN) - {"y", "Upper_case", "upper_case"})
    else:
        assert (status, over, left) == (200, 403, set(GIVEN) - {"y"})
    protected.saw(f"v1 PUT that names neither y nor the hidden ones: 200, left are {len(left)} of {len(GIVEN)}; x_secret by v1: {over}")


def test_property_when_no_section_has_its_name_then_denied_to_everybody(case: Case, tmp_path: Path) -> None:
    """S08: no match is no, for an administrator too."""
    image_id = case.queued("A")
    assert change(case, "A", image_id, "add", "unknown") == 200
    with case.with_options(protect(tmp_path / "protections.conf", ONE_NAME)):
        for who in ("A", "ADM"):
            assert [change(case, who, image_id, "add", name) for name in ("unknown", "other", "known")] == [403, 403, 200]
            assert change_v1(case, who, image_id, "other") == 403
            assert case.json(who, "POST", "/v2/images", {"other": "x"}).status == 403
            image = case.ask(who, "GET", f"/v2/images/{image_id}").json
            assert (image["known"], "unknown" in image) == ("changed", False)
        assert change(case, ANON, image_id, "add", "known") == (200 if case.everybody_is_admin else 401)
    assert case.ask("A", "GET", f"/v2/images/{image_id}").json["unknown"] == "changed"
    case.saw("a name without section is refused to A and ADM (403 in v1 and v2) and hidden from both")
