"""Metadata definitions: S12. This release has none, so their routes must say nothing at all."""

from __future__ import annotations

from glance.testing.wire import Answer
from tests.security.matrix import ANON, ROLES, Case

NAMESPACES = "/v2/metadefs/namespaces"
#: Every route of the specification (spec-v2 5.2), and its methods.
ROUTES = {
    NAMESPACES: ("GET", "POST"),
    f"{NAMESPACES}/one": ("GET", "PUT", "DELETE"),
    f"{NAMESPACES}/one/objects": ("GET", "POST", "DELETE"),
    f"{NAMESPACES}/one/objects/two": ("GET", "PUT", "DELETE"),
    f"{NAMESPACES}/one/properties": ("GET", "POST", "DELETE"),
    f"{NAMESPACES}/one/properties/two": ("GET", "PUT", "DELETE"),
    f"{NAMESPACES}/one/tags": ("GET", "POST", "DELETE"),
    f"{NAMESPACES}/one/tags/two": ("GET", "POST", "PUT", "DELETE"),
    f"{NAMESPACES}/one/resource_types": ("GET", "POST"),
    f"{NAMESPACES}/one/resource_types/two": ("DELETE",),
    "/v2/metadefs/resource_types": ("GET",),
    "/v2/schemas/metadefs/namespace": ("GET",),
    "/v2/schemas/metadefs/namespaces": ("GET",),
}
VARYING = {"date", "x-openstack-request-id"}


def seen(answer: Answer) -> object:
    """All that an answer says, without what differs between any two."""
    return answer.status, [(name, value) for name, value in answer.headers if name.lower() not in VARYING], answer.body


def test_metadata_definitions_then_look_to_everybody_like_a_path_that_there_is_not(case: Case) -> None:
    """S12, OSSN-0088, LP 1545702 and 1916926: status, headers and body; they come from one place, the router, so that times cannot differ either."""
    document = {"namespace": "one", "visibility": "private", "name": "two", "type": "string", "title": "two", "tags": []}
    count = 0
    for path, methods in ROUTES.items():
        for method in methods:
            for who in case.some((*ROLES, ANON)):
                sent = None if method in {"GET", "DELETE"} else document
                unknown = path.replace("metadefs", "neverdefs")
                answers = [case.ask(who, method, one) if sent is None else case.json(who, method, one, sent) for one in (path, unknown)]
                assert seen(answers[0]) == seen(answers[1]), path
                assert answers[0].status == (401 if who == ANON and not case.everybody_is_admin else 404)
                count += 1
    case.saw(
        f"metadefs do not exist yet: {count} requests, each of {case.how_many} of A, B, R, ADM, SVC, ANON, are answered as unknown paths: "
        "404, ANON 401 where asked who"
    )
