"""Starts and stops a service under a directory of the working tree: what ``make run`` and ``make stop`` do."""

from __future__ import annotations

import argparse
import configparser
import contextlib
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from glance.server.pidfile import PidFile
from glance.server.signals import is_ready

PROGRAMS = Path(sys.executable).parent
PATIENCE = 60.0
LOG_LINES = 3

GREETING = """
The image service answers on {url}; its files are under {directory}. Try:

  curl -s {url}/v2/images
  curl -s {url}/v2/images -H 'Content-Type: application/json' -d '{{"name": "first", "disk_format": "raw", "container_format": "bare"}}'
  echo 'my first image' | curl -i -X PUT {url}/v2/images/<id>/file -H 'Content-Type: application/octet-stream' --data-binary @-

or, with python-openstackclient, openstack --os-auth-type none --os-endpoint {url} image list; or, in the classic API,

  echo 'my second image' | curl -i -X POST {url}/v1/images -H 'x-image-meta-name: second' -H 'x-image-meta-is_public: True' \
-H 'x-image-meta-disk_format: raw' -H 'x-image-meta-container_format: bare' -H 'Content-Type: application/octet-stream' --data-binary @-

{stop} ends it.
"""


def main() -> int:
    """Carries out the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("--dir", type=Path, default=Path("var"))
    parser.add_argument("--api-port", default="9292")
    parser.add_argument("--registry-port", default="9191")
    chosen = parser.parse_args()
    directory = chosen.dir.absolute()
    control: list[object] = [PROGRAMS / "glance-control", "--pid-dir", directory / "run", "all"]
    if chosen.command == "stop":
        return subprocess.run([*control, "shutdown"], check=False).returncode
    wanted_ports = {"registry": chosen.registry_port, "api": chosen.api_port}
    confs = {server: directory / f"glance-{server}.conf" for server in wanted_ports}
    # A file that is there keeps its port, as is said below; glance-manage would refuse another one.
    ports = [word for server, port in wanted_ports.items() if not confs[server].exists() for word in (f"--{server}-port", port)]
    if subprocess.run([PROGRAMS / "glance-manage", "setup", "--dir", directory, *ports], check=False, stdout=subprocess.DEVNULL).returncode:
        return 1
    urls = {}
    for server, wanted in wanted_ports.items():
        conf = confs[server]
        port = _port(conf)
        urls[server] = f"http://127.0.0.1:{port}"
        if port != wanted:
            print(f"{conf} was there already and is kept: glance-{server} uses its port {port}, not {wanted}.", file=sys.stderr)
    if subprocess.run([*control, "start", directory], check=False).returncode:
        return 1
    for server, url in urls.items():
        if not (_serves(directory / "run" / f"glance-{server}.pid") and _answers(f"{url}/healthcheck")):
            log = directory / "log" / f"{server}.log"
            print(f"glance-{server} does not serve. The end of {log}:", *_end(log), sep="\n", file=sys.stderr)
            return 1
    stop = "make stop" if chosen.dir == parser.get_default("dir") else f"make stop DIR={shlex.quote(str(chosen.dir))}"
    print(GREETING.format(url=urls["api"], directory=directory, stop=stop))
    return 0


def _serves(path: Path) -> bool:
    """Waits until the process on record serves; False where it has ended. At its address another service could answer."""
    pid_file = PidFile(path, path.stem)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        process = pid_file.running()
        if process is None:
            return False
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if is_ready(process.pid):
                return True
        time.sleep(0.1)
    return False


def _end(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []


def _port(conf: Path) -> str:
    parser = configparser.RawConfigParser()
    parser.read(conf)
    return parser["DEFAULT"]["bind_port"]


def _answers(url: str) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False
        except OSError:
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main())
