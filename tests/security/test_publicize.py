"""Images for everybody: S09. Publishing takes the right to do so, whichever way it is asked for."""

from __future__ import annotations

from glance.testing.wire import Answer
from tests.security.matrix import ANON, FORMATS, Case

NAME = "for everybody"
SHARED_WITH_ALL = {"name": NAME, "visibility": "public", **FORMATS}
PUBLIC_V1 = {"x-image-meta-name": NAME, "x-image-meta-is_public": "True"}
WORDS = ("True", "true", "1", "yes", "on", "T")


def creations(case: Case, who: str) -> list[Answer]:
    """All ways to make an image that is public at once."""
    return [
        case.ask(who, "POST", "/v1/images", PUBLIC_V1),
        case.ask(who, "POST", "/images", PUBLIC_V1),
        case.ask(who, "POST", "/v1/images", {**PUBLIC_V1, **{f"x-image-meta-{name}": value for name, value in FORMATS.items()}}, b"data"),
        case.json(who, "POST", "/v2/images", SHARED_WITH_ALL),
        case.json(who, "POST", "/v2/images", {**SHARED_WITH_ALL, "os_hidden": True}),
    ]


def publications(case: Case, who: str, image_id: str) -> list[Answer]:
    """All ways to make an image public that is there."""
    public = {"op": "replace", "path": "/visibility", "value": "public"}
    hidden = {"op": "replace", "path": "/os_hidden", "value": True}
    return [
        case.ask(who, "PUT", f"/v1/images/{image_id}", PUBLIC_V1),
        case.ask(who, "PUT", f"/images/{image_id}", PUBLIC_V1),
        case.json(who, "PATCH", f"/v2/images/{image_id}", [public]),
        case.json(who, "PATCH", f"/v2/images/{image_id}", [{**public, "op": "add"}]),
        case.json(who, "PATCH", f"/v2/images/{image_id}", [hidden, public]),
    ]


def statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def visibility(case: Case, image_id: str) -> str:
    return str(case.ask("ADM", "GET", f"/v2/images/{image_id}").json["visibility"])


def named(case: Case) -> list[str]:
    """The ids of the images that were to be public, hidden ones too."""
    paths = (f"/v2/images?name={NAME.replace(' ', '%20')}&os_hidden={hidden}" for hidden in ("true", "false"))
    return [image["id"] for path in paths for image in case.ask("ADM", "GET", path).json["images"]]


def clear(case: Case) -> None:
    """Deletes them."""
    for image_id in named(case):
        assert case.ask("ADM", "DELETE", f"/v2/images/{image_id}").status == 204


def test_image_when_somebody_publishes_it_then_only_an_administrator_does(case: Case) -> None:
    """S09, OSSN-0015: in v1 with and without version, and in v2, at once and later, hidden ones too."""
    for who, refused in (("A", 403), ("R", 403), ("SVC", 403), (ANON, 401)):
        made = statuses(creations(case, who))
        image_id = case.queued("A")
        changed = statuses(publications(case, who, image_id))
        if case.everybody_is_admin:
            assert (made, changed, visibility(case, image_id)) == ([201] * 5, [200] * 5, "public")
            clear(case)
        else:
            unseen = 404 if who == "SVC" else refused
            assert (made, changed, visibility(case, image_id)) == ([refused] * 5, [unseen] * 5, "shared")
            assert named(case) == []
        case.saw(f"{who} creates a public image in 5 ways {sorted(set(made))}, makes one of A public in 5 ways {sorted(set(changed))}")

    image_id = case.queued("A")
    assert statuses(creations(case, "ADM")) == [201] * 5
    assert statuses(publications(case, "ADM", image_id)) == [200] * 5
    clear(case)


def test_image_when_v1_says_true_in_other_words_then_the_same(case: Case) -> None:
    """S09: every word that has ever meant true."""
    expected = 201 if case.everybody_is_admin else 403
    for word in WORDS:
        assert case.ask("A", "POST", "/v1/images", {**PUBLIC_V1, "x-image-meta-is_public": word}).status == expected, word
    clear(case)
    case.saw(f"is_public of A as {', '.join(WORDS)}: {expected}")


def test_publishing_when_the_operator_allows_it_then_in_both_versions_alike(case: Case) -> None:
    """S09: one rule decides for v1 and v2; making images ``community`` has a rule of its own, and is allowed by default."""
    community = {**SHARED_WITH_ALL, "visibility": "community"}
    assert case.json("A", "POST", "/v2/images", community).status == 201
    reader = case.json("R", "POST", "/v2/images", community).status

    with case.with_options(policy={"publicize_image": "role:member", "communitize_image": "role:admin"}):
        assert statuses(creations(case, "A")) == [201] * 5
        image_id = case.queued("A")
        assert statuses(publications(case, "A", image_id)) == [200] * 5
        closed = case.json("A", "POST", "/v2/images", community).status
        clear(case)
    assert (reader, closed) == ((201, 201) if case.everybody_is_admin else (403, 403))
    case.saw(
        f"community by default: A 201, R {reader}; with publicize_image role:member A does so in 10 ways, with communitize_image role:admin {closed}"
    )


def test_publishing_when_asked_of_imports_tasks_and_the_registry_then_there_is_no_way(case: Case) -> None:
    """S09: imports and tasks do not exist yet; the registry answers nobody but glance-api."""
    image_id = case.queued("A")
    wished = {"type": "import", "input": {"import_from": "http://127.0.0.1:9/", "image_properties": {"visibility": "public"}}}
    for who in ("A", "ADM"):
        assert case.json(who, "POST", "/v2/tasks", wished).status == 404
        assert case.json(who, "POST", f"/v2/images/{image_id}/import", {"method": {"name": "web-download"}}).status == 404
    if case.registry == "embedded":
        case.saw("POST /v2/tasks and /import 404, no such routes yet; no registry to reach")
        return
    for who in ("A", "ADM", ANON):
        body = b'{"image": {"visibility": "public", "is_public": true}}'
        assert case.ask_registry(who, "POST", "/images", {"Content-Type": "application/json"}, body).status == 401
        assert case.ask_registry(who, "PUT", f"/images/{image_id}", {"Content-Type": "application/json"}, body).status == 401
    assert visibility(case, image_id) == "shared"
    case.saw("POST /v2/tasks and /import 404, no such routes yet; POST and PUT at the registry 401 for A, ADM and ANON")
