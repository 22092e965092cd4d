"""Starts and stops a service under a directory of the working tree: what ``make run`` and ``make stop`` do."""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
PATIENCE = 60.0

GREETING = """
The image service answers on {url}; its files are under {directory}. Try:

  curl -s {url}/v2/images
  curl -s {url}/v2/images -H 'Content-Type: application/json' -d '{{"name": "first", "disk_format": "raw", "container_format": "bare"}}'
  echo 'my first image' | curl -i -X PUT {url}/v2/images/<id>/file -H 'Content-Type: application/octet-stream' --data-binary @-

or, with python-openstackclient, openstack --os-auth-type none --os-endpoint {url} image list; or, in the classic API,

  echo 'my second image' | curl -i -X POST {url}/v1/images -H 'x-image-meta-name: second' -H 'x-image-meta-is_public: True' \
-H 'x-image-meta-disk_format: raw' -H 'x-image-meta-container_format: bare' -H 'Content-Type: application/octet-stream' --data-binary @-

make stop ends it.
"""


def main() -> int:
    """Carries out the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--api-port", default="9292")
    parser.add_argument("--registry-port", default="9191")
    chosen = parser.parse_args()
    directory = chosen.dir.absolute()
    control: list[object] = [PROGRAMS / "glance-control", "--pid-dir", directory / "run", "all"]
    if chosen.command == "stop":
        return subprocess.run([*control, "shutdown"], check=False).returncode
    ports = ["--api-port", chosen.api_port, "--registry-port", chosen.registry_port]
    subprocess.run([PROGRAMS / "glance-manage", "setup", "--dir", directory, *ports], check=True, stdout=subprocess.DEVNULL)
    urls = {}
    for server, wanted in (("registry", chosen.registry_port), ("api", chosen.api_port)):
        conf = directory / f"glance-{server}.conf"
        port = _port(conf)
        urls[server] = f"http://127.0.0.1:{port}"
        if port != wanted:
            print(f"{conf} was there already and is kept: glance-{server} uses its port {port}, not {wanted}.", file=sys.stderr)
    subprocess.run([*control, "start", directory], check=True)
    if not all(_answers(f"{url}/healthcheck") for url in urls.values()) or not _runs(control):
        print(f"The service did not start; its logs are in {directory / 'log'}.", file=sys.stderr)
        return 1
    print(GREETING.format(url=urls["api"], directory=directory))
    return 0


def _runs(control: list[object]) -> bool:
    return subprocess.run([*control, "status"], check=False, stdout=subprocess.DEVNULL).returncode == 0


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
