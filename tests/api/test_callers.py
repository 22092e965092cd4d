"""Who calls, in the flavors without an identity service: tokens and passwords of this service, and headers that only claim (S20)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import bcrypt
import pytest

from glance.api.app import Composition, root, version_negotiation
from glance.api.middleware.context import IDENTITY_HEADERS, ContextFilter, UnauthenticatedContextFilter
from glance.api.middleware.http_basic import HttpBasicFilter
from glance.api.middleware.tokens import TokensFilter
from glance.api.settings import ApiSettings
from glance.identity import issuing
from glance.identity.tokens import TokenFile
from glance.identity.users import UserFiles, Users
from glance.policies.engine import PolicyEngine
from glance.testing.wire import Answer
from tests.api.conftest import Api, Sections, http_sender, served, wsgi_sender

Headers = dict[str, str]
MakeApi = Callable[..., Api]

PASSWORD = "pä:ss"
ROLES = {"alice": ("web", "member"), "bob": ("db", "member"), "eve": ("web", "reader"), "root": ("ops", "admin"), "nova": ("service", "service")}
#: What somebody sends who wants to be the administrator.
FORGED = {
    **{name.removeprefix("HTTP_").replace("_", "-").title(): "admin" for name in IDENTITY_HEADERS},
    "X-Identity-Status": "Confirmed",
    "X-Service-Identity-Status": "Confirmed",
    "X-Roles": "admin",
}


@dataclass
class Door:
    """A service of one flavor, and how its users prove who they are."""

    api: Api
    proofs: Mapping[str, Headers]
    challenge: str

    def caller(self, user: str, **more: str) -> Api:
        """The service as a user sees it; ``more`` headers go with every request, ``_`` in their names for ``-``."""
        return replace(self.api, headers={**self.proofs[user], **{name.replace("_", "-"): value for name, value in more.items()}})


def tokens_door(directory: Path) -> tuple[Callable[[object], object], dict[str, Headers], str]:
    path = directory / "tokens.json"
    proofs = {user: {"X-Auth-Token": issuing.create(path, user, project, [role])[0]} for user, (project, role) in ROLES.items()}
    return lambda application: TokensFilter(application, TokenFile(path)), proofs, 'Bearer realm="glance"'


def http_basic_door(directory: Path) -> tuple[Callable[[object], object], dict[str, Headers], str]:
    files = UserFiles(directory / "htpasswd", directory / "users")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    for path, lines in ((files.htpasswd, [f"{user}:{hashed}" for user in ROLES]), (files.users, [f"{u}:{p}:{r}" for u, (p, r) in ROLES.items()])):
        path.touch(0o600)
        path.write_text("\n".join(lines))
    proofs = {user: basic(f"{user}:{PASSWORD}".encode()) for user in ROLES}
    return lambda application: HttpBasicFilter(application, Users(files)), proofs, 'Basic realm="glance", charset="UTF-8"'


def basic(credentials: bytes) -> Headers:
    return {"Authorization": f"Basic {b64encode(credentials).decode()}"}


def composed(api: Api, who: Callable[[object], object]) -> Composition:
    applications = root(Sections(), {}, **{"/": "apiversions", "/v1": "apiv1app", "/v2": "apiv2app"})
    return Composition(version_negotiation({})(who(applications)), api.services, api.settings)


def open_door(make_api: MakeApi, directory: Path, kind: str, **options: object) -> Door:
    api = make_api(**options)
    who, proofs, challenge = {"tokens": tokens_door, "http_basic": http_basic_door}[kind](directory)
    return Door(replace(api, send=wsgi_sender(composed(api, who))), proofs, challenge)


@pytest.fixture(params=["tokens-wsgi", "tokens-threads", "http_basic-wsgi", "http_basic-threads"])
def door(request: pytest.FixtureRequest, make_api: MakeApi, tmp_path: Path) -> Iterator[Door]:
    kind, _, transport = request.param.partition("-")
    api = make_api()
    who, proofs, challenge = {"tokens": tokens_door, "http_basic": http_basic_door}[kind](tmp_path)
    application = composed(api, who)
    if transport == "wsgi":
        yield Door(replace(api, send=wsgi_sender(application)), proofs, challenge)
        return
    with served(application) as port:
        yield Door(replace(api, send=http_sender(port)), proofs, challenge)


def check_refused(answer: Answer, challenge: str) -> None:
    assert answer.status == 401, answer.text
    assert answer.header("WWW-Authenticate") == challenge
    assert answer.header("X-Openstack-Request-Id")


def test_caller_when_known_then_images_belong_to_the_project_in_both_versions(door: Door) -> None:
    alice = door.caller("alice")

    for image_id in (alice.new(), alice.create()):
        assert alice.get(f"/v2/images/{image_id}")["owner"] == "web"
        assert door.caller("bob").request("GET", f"/v2/images/{image_id}").status == 404
        assert door.caller("root").request("HEAD", f"/v1/images/{image_id}").status == 200


def test_caller_when_nobody_then_401_everywhere_but_at_the_versions(door: Door) -> None:
    for path in ("/v1/images", "/v2/images", "/images", "/v2/schemas/image", "/v2/info/stores", "/v2/nothing", "/v2/openapi.json"):
        check_refused(door.api.request("GET", path), door.challenge)
    assert door.api.request("GET", "/").status == 300
    assert door.api.request("GET", "/versions").status == 200


def test_caller_when_publishing_then_only_the_administrator(door: Door) -> None:
    image_id = door.caller("alice").new()
    publish = [{"op": "replace", "path": "/visibility", "value": "public"}]

    assert door.caller("alice").patch(image_id, publish).status == 403
    assert door.caller("root").patch(image_id, publish).status == 200


def test_caller_when_identity_headers_are_forged_then_as_without_them(door: Door) -> None:
    image_id = door.caller("bob").new()

    for forged in (FORGED, *({name: value} for name, value in FORGED.items())):
        check_refused(door.api.request("GET", "/v2/images", forged), door.challenge)
        assert door.caller("alice").request("GET", f"/v2/images/{image_id}", forged).status == 404
    answer = door.caller("eve").request("POST", "/v2/images", {**FORGED, "Content-Type": "application/json"}, b'{"visibility": "public"}')

    assert answer.status == 403


@pytest.mark.parametrize("kind", ["tokens", "http_basic"])
def test_anonymous_when_allowed_then_reads_what_is_public_and_changes_nothing(make_api: MakeApi, tmp_path: Path, kind: str) -> None:
    door = open_door(make_api, tmp_path, kind, settings=ApiSettings(allow_anonymous_access=True))
    root = door.caller("root")
    public, private, community = (root.new(b"data", visibility=one) for one in ("public", "private", "community"))

    for query in ("", "?visibility=community", "?visibility=all"):
        assert {one["id"] for one in door.api.get(f"/v2/images{query}")["images"]} <= {public}
    for path in (f"/v2/images/{private}", f"/v2/images/{community}", f"/v2/images/{community}/file", f"/v1/images/{community}"):
        assert door.api.request("GET", path).status == 404
    assert door.api.request("GET", f"/v2/images/{public}/file").body == b"data"
    assert door.api.send_json("POST", "/v2/images", {}).status == 403
    assert door.api.get("/v2/info/usage") == {"usage": {}}


def test_caller_when_without_project_then_403_unless_administrator(make_api: MakeApi) -> None:
    api = make_api(trusted=True)
    nobodys = {"X-Identity-Status": "Confirmed", "X-User-Id": "alice"}

    for path in ("/v1/images", "/v2/images"):
        answer = replace(api, headers=nobodys).request("GET", path)
        assert (answer.status, "not scoped to a project" in answer.text) == (403, True)
        assert replace(api, headers={**nobodys, "X-Roles": "admin"}).request("GET", path).status == 200


def test_caller_when_the_names_of_the_project_differ_then_400(make_api: MakeApi) -> None:
    api = make_api(trusted=True)
    alice = {"X-Identity-Status": "Confirmed", "X-User-Id": "alice", "X-Tenant-Id": "web"}

    assert replace(api, headers={**alice, "X-Project-Id": "web"}).request("GET", "/v2/images").status == 200
    answer = replace(api, headers={**alice, "X-Project-Id": "db"}).request("GET", "/v2/images")
    assert (answer.status, "X-Tenant-Id and X-Project-Id differ" in answer.text) == (400, True)


def test_caller_when_images_belong_to_users_then_needs_no_project(make_api: MakeApi) -> None:
    api = make_api(trusted=True, settings=ApiSettings(owner_is_project=False))

    assert replace(api, headers={"X-Identity-Status": "Confirmed", "X-User-Id": "alice"}).request("GET", "/v2/images").status == 200


# Tokens


@pytest.fixture
def tokens(make_api: MakeApi, tmp_path: Path) -> Door:
    return open_door(make_api, tmp_path, "tokens")


@pytest.mark.parametrize("header", ["X-Auth-Token", "X-Storage-Token", "Authorization"])
def test_token_when_in_any_of_its_headers_then_known(tokens: Door, header: str) -> None:
    [secret] = tokens.proofs["alice"].values()
    scheme = "bEARER " if header == "Authorization" else ""

    assert tokens.api.request("GET", "/v2/images", {header: scheme + secret}).status == 200


ODD_TOKENS = {
    "empty": "",
    "blank": " ",
    "unknown": "a" * 64,
    "twice": "{0},{0}",
    "in quotes": '"{0}"',
    "upper case": "{1}",
    "with scheme": "Bearer {0}",
    "huge": "a" * 60_000,
    "not ASCII": "é\N{GRINNING FACE}",
    "format": "%s{{0}}${{jndi:x}}",
    "path": "../../etc/passwd",
    "sql": "' OR 1=1--",
    "star": "*",
}


@pytest.mark.parametrize("header", ["X-Auth-Token", "X-Storage-Token", "Authorization"])
@pytest.mark.parametrize("odd", ODD_TOKENS.values(), ids=ODD_TOKENS)
def test_token_when_it_is_odd_then_401(tokens: Door, header: str, odd: str) -> None:
    [secret] = tokens.proofs["root"].values()
    value = odd.format(secret, secret.upper())
    if header == "Authorization":
        value = f"Bearer {value}" if odd != "with scheme" else f"Bearer {value} {value}"

    check_refused(tokens.api.request("GET", "/v2/images", {header: value}), tokens.challenge)


def test_token_when_two_different_ones_come_then_x_auth_token_counts(tokens: Door) -> None:
    [root], [alice] = tokens.proofs["root"].values(), tokens.proofs["alice"].values()
    headers = {"X-Auth-Token": alice, "X-Storage-Token": root, "Authorization": f"Bearer {root}", "Content-Type": "application/json"}

    assert tokens.api.request("POST", "/v2/images", headers, b"{}").json["owner"] == "web"


def test_token_when_a_wrong_one_comes_first_then_another_does_not_help(tokens: Door) -> None:
    [alice] = tokens.proofs["alice"].values()

    assert tokens.api.request("GET", "/v2/images", {"X-Auth-Token": "wrong", "Authorization": f"Bearer {alice}"}).status == 401


def test_service_token_then_adds_the_roles_of_the_service(make_api: MakeApi, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"get_images": "role:reader and service_roles:service"')
    door = open_door(make_api, tmp_path, "tokens", policy=PolicyEngine(tmp_path / "policy.yaml"))
    [nova], [alice] = door.proofs["nova"].values(), door.proofs["alice"].values()

    statuses = [door.caller("eve", X_Service_Token=one).request("GET", "/v2/images").status for one in (nova, alice, "unknown", "")]

    assert statuses == [200, 403, 401, 401]
    assert door.caller("eve").request("GET", "/v2/images").status == 403
    assert door.caller("nova").request("GET", "/v2/images").status == 403


# Passwords


@pytest.fixture
def passwords(make_api: MakeApi, tmp_path: Path) -> Door:
    return open_door(make_api, tmp_path, "http_basic")


RIGHT = f"root:{PASSWORD}".encode()
ODD_CREDENTIALS = {
    "nothing": "",
    "scheme alone": "Basic",
    "no base64": "Basic !!!",
    "half a group": f"Basic {b64encode(RIGHT).decode()[:-3]}",
    "twice": f"Basic {b64encode(RIGHT).decode()},Basic {b64encode(RIGHT).decode()}",
    "another scheme": f"Bearer {b64encode(RIGHT).decode()}",
    "no colon": f"Basic {b64encode(b'root').decode()}",
    "no user": f"Basic {b64encode(b':x').decode()}",
    "no password": f"Basic {b64encode(b'root:').decode()}",
    "null byte": f"Basic {b64encode(RIGHT + bytes(1)).decode()}",
    "comment of the file": f"Basic {b64encode(b'#:x').decode()}",
    "huge": f"Basic {b64encode(b'root:' + b'x' * 40_000).decode()}",
    "two lines": f"Basic {b64encode(RIGHT + bytes((10,)) + RIGHT).decode()}",
}


@pytest.mark.parametrize("odd", ODD_CREDENTIALS.values(), ids=ODD_CREDENTIALS)
def test_password_when_the_header_is_odd_then_401(passwords: Door, odd: str) -> None:
    check_refused(passwords.api.request("GET", "/v2/images", {"Authorization": odd}), passwords.challenge)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
def test_password_when_it_is_not_ascii_then_known_in_both_charsets_that_clients_send(passwords: Door, charset: str) -> None:
    credentials = f"alice:{PASSWORD}".encode(charset)

    assert passwords.api.request("GET", "/v2/images", basic(credentials)).status == 200


def test_password_when_a_token_comes_instead_then_401(passwords: Door) -> None:
    check_refused(passwords.api.request("GET", "/v2/images", {"X-Auth-Token": PASSWORD}), passwords.challenge)


# Without anything


@pytest.mark.parametrize(("kind", "left"), [(UnauthenticatedContextFilter, set()), (ContextFilter, IDENTITY_HEADERS)])
def test_identity_headers_then_only_where_somebody_in_front_wrote_them_others_see_them(make_api: MakeApi, kind: type, left: set[str]) -> None:
    api, seen = make_api(), set()

    def behind(application: object) -> object:
        def look(environ: dict[str, str], start_response: object) -> object:
            seen.update(IDENTITY_HEADERS & environ.keys())
            return application(environ, start_response)  # type: ignore[operator]

        return kind(look)

    assert wsgi_sender(composed(api, behind))("GET", "/v2/images", FORGED, None).status == 200
    assert seen == left
