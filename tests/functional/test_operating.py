"""The commands of docs/operating.md do what it says: each way to say who may call, from setup to the clients of others."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sysconfig
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from glance.testing.servers import PATIENCE, free_ports, wait_until
from tests.compat.real_clients import PROGRAMS
from tests.functional.memcached import Memcached
from tests.keystone_server import KeystoneServer

ROOT = Path(__file__).parents[2]
DEADLINE = 240


def commands(heading: str) -> str:
    """The indented lines below a heading."""
    _, _, section = (ROOT / "docs/operating.md").read_text().partition(f"\n### {heading}\n")
    return "\n".join(re.findall(r"^    (.+)$", re.split(r"^##", section, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE))


def here(script: str, directory: Path) -> str:
    """The commands for a directory and for ports of their own; after a start they wait until the service answers."""
    api, registry, metrics = free_ports(3)
    script = script.replace("setup --dir /srv/glance", f"setup --dir /srv/glance --api-port {api} --registry-port {registry}")
    wait = f"until curl --silent --output /dev/null http://127.0.0.1:{api}/versions; do sleep 0.1; done"
    script = re.sub(r"^(glance-control .* start .*)$", rf"\1\n{wait}", script, flags=re.MULTILINE)
    ports = {"9292": str(api), "9191": str(registry), "9293": str(metrics)}
    return re.sub(r"\b(9292|9191|9293)\b", lambda found: ports[found[0]], script.replace("/srv/glance", str(directory)))


@pytest.mark.parametrize(
    ("heading", "outputs"),
    [
        ("Nobody is asked", ["Start the service with:", "| ID "]),
        ("Tokens", ['{"images":[]', "| ID ", "alice  web"]),
        ("Users with passwords", ['{"images":[]', "| ID "]),
        ("Metrics", ["[+]registry ok", "[+]store ok", "readyz check passed", 'glance_build_info{version="', 'route="other"']),
        ("Certificates for the registry", ['{"images":[]', "OKRefused without a certificate"]),
    ],
)
def test_commands_of_the_section_when_typed_then_the_clients_are_answered(tmp_path: Path, heading: str, outputs: list[str]) -> None:
    check_typed(commands(heading), tmp_path, {}, outputs)


def test_commands_about_the_policy_when_typed_then_say_what_decides(tmp_path: Path) -> None:
    script = f"glance-manage setup --dir /srv/glance\n{commands('Who may do what')}"

    check_typed(script, tmp_path, {}, ["site/policy.yaml", "delete_image is allowed to a user of project web with the roles manager, member"])


def test_commands_about_checking_when_typed_then_say_that_all_agrees(tmp_path: Path) -> None:
    start = "glance-manage setup --dir /srv/glance\nglance-control --pid-dir /srv/glance/run all start /srv/glance"

    check_typed(f"{start}\n{commands('Compare the database with the stores')}", tmp_path, {}, ["All agrees.", '"exit_status": 0}'])


def test_commands_about_keystone_when_typed_then_the_clients_are_answered(tmp_path: Path) -> None:
    install, _, script = commands("Users of keystone").partition("\n")
    (tmp_path / "keystone").mkdir()
    with KeystoneServer(tmp_path / "keystone") as keystone:  # one of its own: it is told where the image service is
        variables = {**keystone.administrator, "GLANCE_PASSWORD": "glance-secret"}

        check_typed(script, tmp_path, variables, ["| url          | http://127.0.0.1:", "Start the service with:", "| ID "])
    assert install == "pip install 'glance[keystone]'"


def test_commands_about_rates_when_typed_then_requests_beyond_them_are_refused(tmp_path: Path) -> None:
    install, _, script = commands("How many requests").partition("\n")
    again = script.splitlines()[-1].replace("--fail", "--silent --include")
    with Memcached() as memcached:
        few = script.replace("1000/minute; 50/second", "2/day").replace("127.0.0.1:11211", memcached.address)

        check_typed(f"{few}\n{again}\n{again}", tmp_path, {}, ["HTTP/1.1 200 OK", "HTTP/1.1 429 Too Many Requests", "Retry-After: 86"])
    assert install == "pip install 'glance[rate-limits]'"


def test_commands_about_limits_in_keystone_when_typed_then_the_project_is_told_them(tmp_path: Path) -> None:
    (tmp_path / "keystone").mkdir()
    with KeystoneServer(tmp_path / "keystone") as keystone:
        variables = {**keystone.administrator, "GLANCE_PASSWORD": "glance-secret"}
        _install, _, service = commands("Users of keystone").partition("\n")
        limits = ['"image_size_total":{"usage":0,"limit":100000}', '"image_count_total":{"usage":0,"limit":1000}']

        check_typed(f"{service}\n{commands('Limits in keystone')}", tmp_path, variables, limits)


def test_commands_about_a_service_of_the_machine_when_typed_then_what_the_units_start_is_ready(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    for name in ("etc/systemd/system", "etc/logrotate.d"):
        (machine / name).mkdir(parents=True)

    def moved(text: str) -> str:
        return re.sub(r"(?<![\w.])/(?=(etc|var)/)", f"{machine}/", text.replace("/opt/glance/bin", sysconfig.get_path("scripts")))

    # Without rights on the machine: its users, and who starts services.
    script = re.sub(r"^(useradd|systemctl) .*\n?", "", commands("A service of the machine"), flags=re.MULTILINE)
    script = script.replace("--owner glance --group glance", "").replace("runuser --user glance -- ", "")
    done = subprocess.run(["bash", "-euxc", moved(script)], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    api, registry = free_ports(2)
    (machine / "own.conf").write_text(f"[DEFAULT]\nregistry_port = {registry}\n[glance_store]\nfilesystem_store_datadir = {machine}/images\n")
    home = machine / "var/lib/glance"
    with contextlib.ExitStack() as stack:
        for service, port in (("registry", registry), ("api", api)):
            own = machine / f"{service}.conf"
            own.write_text(f"{(machine / 'own.conf').read_text()}[DEFAULT]\nbind_port = {port}\nlog_file = {machine}/{service}.log\n")
            unit = (machine / f"etc/systemd/system/glance-{service}.service").read_text()
            [start] = re.findall(r"^ExecStart=(.+)$", moved(unit), re.MULTILINE)
            child = stack.enter_context(subprocess.Popen([*start.split(), "--config-file", own], cwd=home))
            stack.callback(child.terminate)
        wait_until(lambda: ready(api), "the service")
    assert [path.name for path in home.iterdir()] == ["glance.sqlite"]
    assert not (ROOT / "glance.sqlite").exists()


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE) as answer:
            return answer.status == 200
    except OSError:
        return False


def check_typed(script: str, tmp_path: Path, variables: Mapping[str, str], outputs: list[str]) -> None:
    site = tmp_path / "site"
    path = os.pathsep.join([sysconfig.get_path("scripts"), str(PROGRAMS), os.environ["PATH"]])
    environment = {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", **variables}
    try:
        script = here(script, site)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
        )
    finally:
        subprocess.run(
            ["glance-control", "--pid-dir", site / "run", "all", "shutdown"], env=environment, capture_output=True, timeout=60, check=False
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in outputs if text not in done.stdout] == []
