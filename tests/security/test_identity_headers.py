"""Who somebody is cannot be claimed by headers, in whatever way they are written: S20."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from glance.testing.wire import Answer, request_bytes
from tests.security.matrix import ANON, Case

#: Headers that have ever said who asks, and what somebody writes there who wants the rights of an administrator, or of B.
CLAIMS = {
    "X-Identity-Status": "Confirmed",
    "X-User-Id": "user-B",
    "X-User-Name": "user-B",
    "X-User": "user-B",
    "X-Project-Id": "{B}",
    "X-Project-Name": "{B}",
    "X-Tenant-Id": "{B}",
    "X-Tenant-Name": "{B}",
    "X-Tenant": "{B}",
    "X-Roles": "admin",
    "X-Role": "Admin",
    "X-Service-Roles": "service",
    "X-Service-Identity-Status": "Confirmed",
    "X-Service-Project-Id": "{B}",
    "X-Is-Admin-Project": "True",
    "X-Domain-Id": "default",
    "X-System-Scope": "all",
    "X-Service-Catalog": "[]",
    "X-Authorization": "Proxy user-B",
}
#: More that says so elsewhere: between our own programs, and to others.
MORE_CLAIMS = {"X-Glance-Admin": "True", "OpenStack-System-Scope": "all", "Remote-User": "user-B", "X-Forwarded-User": "user-B"}

#: What the flavor trusted-auth believes. Its proxy writes these, and removes those of its clients.
OF_THE_PROXY = ("X-Identity-Status", "X-User-Id", "X-Tenant-Id", "X-Project-Id", "X-Roles", "X-Service-Roles")

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def claims(case: Case) -> Iterator[tuple[str, str]]:
    for name, value in {**CLAIMS, **MORE_CLAIMS}.items():
        yield name, value.format(B=case.project("B"))


def proof(case: Case, who: str) -> list[str]:
    """The lines that say who asks."""
    return [f"{name}: {value}" for name, value in case.headers(who).items()]


class Prober:
    """Asks for a private image of B, and for a list, in requests whose lines are sent as they are."""

    def __init__(self, case: Case) -> None:
        self.case = case
        picture = case.image("B", data=b"private")
        self.targets = (picture.v2, picture.v1, "/v2/images?visibility=private&limit=10")
        self.honest = {who: [self.ask(target, *proof(case, who)) for target in self.targets] for who in ("A", ANON)}
        # Otherwise nothing that follows could fail.
        assert [self.ask(target, *proof(case, "B")).status for target in self.targets] == [200, 200, 200]
        expected = {"A": [404, 404, 200], ANON: [401, 401, 401]}
        for who, answers in self.honest.items():
            assert [answer.status for answer in answers] == ([200, 200, 200] if case.everybody_is_admin else expected[who])

    def ask(self, target: str, *lines: str) -> Answer:
        [answer] = self.case.glance.raw_answers(request_bytes(f"GET {target} HTTP/1.1", *lines))
        self.case.answers.append(answer)
        return answer

    def orders(self, who: str, lines: Sequence[str]) -> Sequence[list[str]]:
        """These lines before and after those of the proof."""
        return [*lines, *proof(self.case, who)], [*proof(self.case, who), *lines]

    def check_all_ignored(self, who: str, lines: Sequence[str]) -> None:
        """With these lines, each alone and all at once, the answers are those without them."""
        alone = [request for line in lines for request in self.case.some(self.requests(who, [line]))]
        for target, honest, sent in (*alone, *self.requests(who, lines)):
            answer = self.ask(target, *sent)
            assert (answer.status, answer.body) == (honest.status, honest.body), sent

    def requests(self, who: str, lines: Sequence[str]) -> Sequence[tuple[str, Answer, list[str]]]:
        """(target, its answer without these lines, what to send) for all targets, with the lines in both orders."""
        before, after = self.orders(who, lines)
        return list(zip(self.targets, self.honest[who], (before, after, before), strict=True))

    def check_malformed(self, who: str, *lines: str) -> None:
        """A request with these lines is refused as such."""
        for sent in self.case.some(self.orders(who, lines)):
            assert self.ask(self.targets[0], *sent).status == 400, lines


@pytest.fixture
def prober(case: Case) -> Prober:
    return Prober(case)


@pytest.mark.parametrize("who", ["A", ANON])
def test_claim_when_written_with_underscores_then_dropped(case: Case, prober: Prober, who: str) -> None:
    """S20, CVE-2026-22797: a name with an underscore is none that counts, and never joins the one that somebody in front has written."""
    written = [(name, value) for name, value in claims(case) if not name.startswith("X-Glance-")]
    lines = [
        f"{spelling}: {value}"
        for name, value in written
        for spelling in case.some((name.replace("-", "_"), name.replace("-", "_", 1), "_".join(name.rsplit("-", 1)), name.replace("-", "_").upper()))
    ]
    prober.check_all_ignored(who, lines)
    case.saw(f"{who}: {len(written)} names with _, {case.how_many} of 4 ways each, and all at once: answers as without, byte by byte")


@pytest.mark.parametrize("who", ["A", ANON])
def test_claim_when_the_name_is_malformed_then_400(case: Case, prober: Prober, who: str) -> None:
    """S20: a blank before the colon, or at the start of the line, makes no other header."""
    for name, value in claims(case):
        lines = (f"{name} : {value}", f"{name}\t: {value}", f" {name}: {value}", f"{name}\x0b: {value}", f"X-A: a\r\n\t{name}: {value}")
        for line in case.some(lines):
            prober.check_malformed(who, line)
    case.saw(f"{who}: each name with a blank after or before it, or on a folded line, {case.how_many} of 5 ways: 400")


@pytest.mark.parametrize("who", ["A", ANON])
def test_claim_when_written_twice_then_never_joined(case: Case, prober: Prober, who: str) -> None:
    """S20: a list of roles cannot be made longer by one more line."""
    for name, value in claims(case):
        if name in CLAIMS:
            for lines in case.some(((f"{name}: x", f"{name}: {value}"), (f"{name.lower()}: {value}", f"{name.upper()}: x"))):
                prober.check_malformed(who, *lines)
    for line in proof(case, who):
        name, _, value = line.partition(": ")
        expected = 400 if name in OF_THE_PROXY else (200 if case.everybody_is_admin or case.flavor == "trusted-auth" else 401)
        for second in (f"{name}: {value},admin", f"{name.lower()}: other"):
            status = prober.ask("/v2/images", *proof(case, who), second).status
            assert status == expected, second
    case.saw(f"{who}: {len(CLAIMS)} identity headers twice with different values, {case.how_many} of 2 ways: 400; a second X-Auth-Token is no proof")


@pytest.mark.parametrize("who", ["A", ANON])
def test_claim_when_written_plainly_then_counts_only_where_a_proxy_is_to_remove_it(case: Case, prober: Prober, who: str) -> None:
    """S20: every identity header, alone and all together."""
    proved = case.headers(who)
    left_to_proxy = OF_THE_PROXY if case.flavor == "trusted-auth" else ()
    ignored = [f"{name}: {value}" for name, value in claims(case) if name not in {*proved, *left_to_proxy}]
    prober.check_all_ignored(who, ignored)
    for name, value in claims(case):
        if name in proved:
            prober.check_malformed(who, f"{name}: {value}x")
    alone = f"alone ({case.how_many} of 3 requests)"
    case.saw(f"{who}: {len(ignored)} names, {alone} and all at once: answers as without, byte by byte; added to a proxy's own: 400")


def test_claim_when_a_proxy_is_to_remove_it_then_the_operator_is_told(case: Case) -> None:
    """S20: without a proxy that removes them, a client of trusted-auth is whom it says it is; in no other flavor."""
    section = OPERATING.read_text().partition("### A proxy asks")[2].partition("###")[0]
    assert all(f"`{name}`" in section for name in OF_THE_PROXY)
    claimed = {"X-Identity-Status": "Confirmed", "X-User-Id": "root", "X-Tenant-Id": case.project("B"), "X-Roles": "admin"}
    status = case.ask(ANON, "GET", "/v2/images", claimed).status
    assert status == (200 if case.flavor in {"trusted-auth", "none"} else 401)
    case.saw(f"a whole forged identity of somebody without any other: {status}; docs/operating.md names what a proxy has to remove")


def test_service_role_when_claimed_then_counts_only_by_a_token_or_a_proxy(case: Case) -> None:
    """S20: X-Service-Roles, where a rule asks for the role of a service."""
    picture = case.image("A", data=b"mine")

    def publish(headers: Mapping[str, str]) -> int:
        return case.json("A", "PATCH", picture.v2, [{"op": "replace", "path": "/visibility", "value": "community"}], headers).status

    with case.with_options(policy={"communitize_image": "service_roles:service"}):
        assert [publish(headers) for headers in ({}, {"X_Service_Roles": "service"}, {"X-Service_Roles": "service"})] == [403] * 3
        assert publish({"X-Service-Roles": "service"}) == (200 if case.flavor == "trusted-auth" else 403)
        if case.flavor in {"tokens", "keystone"}:
            assert publish({"X-Service-Token": case.place.callers["SVC"].token}) == 200
    case.saw("X_Service_Roles: 403; X-Service-Roles: 200 from the proxy of trusted-auth, else 403; with a service's token (tokens, keystone): 200")
