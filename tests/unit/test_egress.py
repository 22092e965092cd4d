"""The egress guard: what it lets through, and how. What it refuses, form by form: ``tests/api/test_forbidden_addresses.py``."""

import ipaddress
import itertools
import re
import socket
import time

import pytest

from glance import errors
from glance.egress import Egress, EgressSettings, shown
from tests.canaries import CANARY, PERMITTED, FakeDns, canaries, listen, only_loopback, reply
from tests.certificates import certificate

__all__ = ["canaries", "certificate", "listen", "only_loopback"]


def guard(resolver=None, **settings):
    chosen = {"allowed_networks": (f"{PERMITTED}/32",), "allowed_ports": None, "connect_timeout": 2, "read_timeout": 2, **settings}
    return Egress(EgressSettings(**chosen), resolver or FakeDns())


def fetch(egress, url, **options):
    response = egress.open(url, **options)
    try:
        return response.status, b"".join(iter(lambda: response.read(65536), b""))
    finally:
        response.close()


@pytest.mark.parametrize(
    ("url", "settings"), [("http://good:22/", {}), ("http://good/", {"allowed_ports": (443,)}), ("https://good/", {"allowed_ports": (80,)})]
)
def test_open_of_a_port_that_is_not_listed_refuses_written_or_implied(url, settings):
    names = FakeDns()
    with pytest.raises(errors.SourceRefused):
        guard(names, **{"allowed_ports": (80, 443), **settings}).open(url)
    assert names.asked == []


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::8a"],
)
def test_address_when_global_unicast_is_permitted(address):
    assert guard()._permits(ipaddress.ip_address(address))


def test_denied_networks_win_over_allowed_ones(listen):
    place = listen()
    with pytest.raises(errors.SourceRefused):
        guard(denied_networks=("127.0.0.0/8",)).open(f"http://{PERMITTED}:{place.port}/")
    assert place.connections == 0


@pytest.mark.parametrize("settings", [{"allowed_networks": ("10.0.0.0/33",)}, {"denied_networks": ("here",)}, {"ca_file": "/nonexistent/ca.pem"}])
def test_settings_when_they_cannot_be_used_refuse_to_start(settings):
    with pytest.raises(errors.ConfigurationError):
        guard(**settings)


def test_open_when_permitted_asks_under_the_name_and_for_plain_bytes(listen):
    place = listen()
    assert fetch(guard(), f"http://Permitted.Example.:{place.port}/a%20b?c=d", headers={"Range": "bytes=0-5"}) == (200, b"marker")
    head = place.heads[0]
    assert head.startswith("GET /a%20b?c=d HTTP/1.1\r\n")
    assert f"\r\nHost: permitted.example:{place.port}\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head
    assert "\r\nRange: bytes=0-5\r\n" in head
    assert "\r\nConnection: close\r\n" in head


def test_open_when_a_proxy_stands_in_the_environment_ignores_it(listen, canaries, monkeypatch):
    place = listen()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://{CANARY}:{canaries[0].port}")
    assert fetch(guard(), f"http://permitted.example:{place.port}/") == (200, b"marker")
    assert canaries[0].connections == 0


def test_open_when_the_name_changes_after_the_check_goes_where_it_was_checked(listen, canaries):
    place = listen()
    names = FakeDns(changing=[[PERMITTED], [CANARY]])
    assert fetch(guard(names), f"http://changing:{place.port}/") == (200, b"marker")
    assert names.asked == ["changing"]
    with pytest.raises(errors.SourceRefused):
        guard(names).open(f"http://changing:{canaries[0].port}/")
    assert canaries[0].connections == 0


def test_open_when_the_first_address_is_dead_tries_the_next(listen):
    place = listen()
    names = FakeDns(several=[["127.0.0.3", PERMITTED]])
    egress = guard(names, allowed_networks=("127.0.0.2/31",))
    assert fetch(egress, f"http://several:{place.port}/") == (200, b"marker")


def test_open_when_the_port_is_closed_silent_or_foreign_says_the_same(listen):
    foreign = listen(lambda head, number: [b"SSH-2.0-OpenSSH_9.9\r\n"])
    with socket.socket() as closed, socket.create_server((PERMITTED, 0)) as silent:
        closed.bind((PERMITTED, 0))
        texts = set()
        for port in (closed.getsockname()[1], silent.getsockname()[1], foreign.port):
            with pytest.raises(errors.SourceUnreadable) as caught:
                guard(read_timeout=0.3).open(f"http://permitted.example:{port}/")
            texts.add(str(caught.value))
    assert len(texts) == 1


def test_refusals_for_names_that_exist_inside_or_not_at_all_are_alike():
    texts = set()
    for name in ("inward", "unknown.example"):
        with pytest.raises(errors.SourceRefused) as caught:
            guard().open(f"http://{name}/")
        texts.add(str(caught.value).replace(name, "NAME"))
    assert texts == {"External sources are not supported: 'http://NAME/'"}


@pytest.mark.parametrize("url", ["http://user:secret@good/", "http://secret@127.0.0.1/", "http://a\x1b[31m/", "http://a/" + "b" * 2000, "x\ny"])
def test_shown_hides_what_may_be_secret_or_harmful(url):
    assert shown(url) == "(hidden)"


def redirecting(*targets, status=302):
    """Answers the n-th request with a redirect to the n-th target, and then with a marker."""
    return lambda head, number: reply(status, Location=targets[number - 1]) if number <= len(targets) else reply(body=b"marker")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_a_permitted_place_is_followed(listen, status):
    place = listen()
    first = listen(redirecting(f"http://permitted.example:{place.port}/there?x", status=status))
    assert fetch(guard(), f"http://permitted.example:{first.port}/here", method="GET") == (200, b"marker")
    assert place.heads[0].startswith("GET /there?x HTTP/1.1")


def test_redirect_when_relative_stays_at_its_origin(listen):
    place = listen(redirecting("../other?y", "third"))
    assert fetch(guard(), f"http://permitted.example:{place.port}/a/b/c") == (200, b"marker")
    assert [head.split()[1] for head in place.heads] == ["/a/b/c", "/a/other?y", "/a/third"]


def test_redirect_when_the_name_leads_inward_by_then_is_refused(listen, canaries):
    place = listen(redirecting(f"http://changing:{canaries[0].port}/"))
    names = FakeDns(changing=[[PERMITTED], [CANARY]])
    with pytest.raises(errors.SourceRefused):
        guard(names).open(f"http://changing:{place.port}/")
    assert canaries[0].connections == 0


@pytest.mark.parametrize(("count", "followed"), [(3, True), (4, False)])
def test_redirects_when_more_than_three_are_refused(listen, count, followed):
    place = listen(redirecting(*["/next"] * count))
    url = f"http://permitted.example:{place.port}/"
    if followed:
        assert fetch(guard(), url) == (200, b"marker")
    else:
        with pytest.raises(errors.SourceRefused):
            guard().open(url)
    assert place.connections == 4


def test_refresh_header_is_not_followed(listen, canaries):
    place = listen(lambda head, number: reply(body=b"marker", Refresh=f"0; url=http://{CANARY}:{canaries[0].port}/"))
    assert fetch(guard(), f"http://permitted.example:{place.port}/") == (200, b"marker")
    assert canaries[0].connections == 0


def test_redirect_to_another_origin_drops_everything_that_may_be_a_credential(listen):
    other = listen()
    first = listen(redirecting("/same", f"http://other.example:{other.port}/"))
    headers = {"Authorization": "Bearer secret", "X-Auth-Token": "secret", "Cookie": "secret", "Range": "bytes=0-1"}
    fetch(guard(), f"http://permitted.example:{first.port}/", headers=headers)
    assert [head.count("secret") for head in first.heads] == [3, 3]
    assert "secret" not in other.heads[0]
    assert "\r\nRange: bytes=0-1\r\n" in other.heads[0]


@pytest.fixture
def tls(certificate):
    return certificate.server_context()


def test_https_when_the_certificate_is_trusted_reads_under_the_name(listen, tls, certificate):
    names = []
    tls.sni_callback = lambda _sock, name, _context: names.append(name)
    place = listen(tls=tls)
    assert fetch(guard(ca_file=certificate.public), f"https://permitted.example:{place.port}/") == (200, b"marker")
    assert names == ["permitted.example"]
    assert f"\r\nHost: permitted.example:{place.port}\r\n" in place.heads[0]


@pytest.mark.parametrize(("trusted", "host"), [(False, "permitted.example"), (True, "other.example"), (True, PERMITTED)])
def test_https_when_the_certificate_does_not_fit_is_unreadable(listen, tls, certificate, trusted, host):
    place = listen(tls=tls)
    with pytest.raises(errors.SourceUnreadable):
        guard(ca_file=certificate.public if trusted else None).open(f"https://{host}:{place.port}/")
    assert place.heads == []


def test_https_when_the_operator_says_insecure_reads_from_anybody(listen, tls):
    place = listen(tls=tls)
    assert fetch(guard(https_insecure=True), f"https://other.example:{place.port}/") == (200, b"marker")


@pytest.mark.parametrize("start", [b"X-Drip: a\r\n", b"\r\n"])
def test_answer_when_dripping_ends_by_its_rate(listen, start):
    place = listen(lambda head, number: itertools.chain([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n", start], _drips()))
    begun = time.monotonic()
    with pytest.raises(errors.SourceUnreadable):
        fetch(guard(read_timeout=0.4), f"http://permitted.example:{place.port}/")
    assert time.monotonic() - begun < 10


def _drips():
    for _turn in range(400):
        time.sleep(0.05)
        yield b"a"


@pytest.mark.parametrize("limit", [{"maximum_bytes": 200_000}, {"total_timeout": 0.4, "minimum_rate": 1}])
def test_answer_when_endless_ends_by_its_limits(listen, limit):
    def endless(head, number):
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _turn in range(100):
            time.sleep(0.02)
            yield bytes(10_000)

    place = listen(endless)
    with pytest.raises(errors.SourceUnreadable):
        fetch(guard(**limit), f"http://permitted.example:{place.port}/")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"",
    ],
)
def test_answer_when_cut_or_broken_is_unreadable(listen, answer):
    place = listen(lambda head, number: [answer])
    with pytest.raises(errors.SourceUnreadable):
        fetch(guard(), f"http://permitted.example:{place.port}/")


@pytest.mark.parametrize(
    ("headers", "length"),
    [("Content-Length: 7", 7), ("Content-Length: 7\r\nContent-Length: 7", None), ("Content-Length: -1", None), ("Content-Length: 7x", None),
    ("X: y", None),
     ("Content-Length: 7\r\nTransfer-Encoding: chunked", None)],
)  # fmt: skip
def test_content_length_when_not_one_plain_number_is_none(listen, headers, length):
    place = listen(lambda head, number: [f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode()])
    response = guard().open(f"http://permitted.example:{place.port}/", method="HEAD")
    response.close()
    assert response.content_length == length


def test_response_when_closed_before_the_end_closes_its_connection(listen):
    place = listen(lambda head, number: reply(body=bytes(1_000_000)))
    response = guard().open(f"http://permitted.example:{place.port}/")
    response.read(10)
    response.close()
    place.close()


def test_settings_in_their_shipped_form_are_closed():
    assert EgressSettings().allowed_networks == ()
    assert EgressSettings().allowed_ports == (80, 443)
    assert EgressSettings().https_insecure is False


def test_other_modules_leave_connections_to_client_supplied_urls_to_the_guard(request):
    """Stores reach what clients name through the guard only; Swift and S3 are where the operator says."""
    package = request.config.rootpath / "glance" / "store"
    configured = {package / "drivers" / "swift" / "account.py", package / "drivers" / "s3" / "endpoint.py"}
    opener = re.compile(r"^\s*(?:import|from)\s+(?:http\.client|urllib\.request|requests|httpx|urllib3|socket)\b", re.MULTILINE)
    assert {path for path in package.rglob("*.py") if opener.search(path.read_text())} <= configured
