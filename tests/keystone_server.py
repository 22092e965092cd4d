"""A real keystone in a directory of its own, in user space, and what tests do as its administrator."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ConnectFailure, Unauthorized
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from glance.testing.servers import free_ports, wait_until

PROCESS = Path(__file__).with_name("keystone_process.py")
PYTHON = Path(__file__).parents[1] / ".venv-keystone/bin/python"
PASSWORD = "the-Password$of#keystone"  # with characters that files of options have a meaning for

_CONF = """\
[DEFAULT]
log_file = {directory}/keystone.log
public_endpoint = {url}
[database]
connection = sqlite:///{directory}/keystone.sqlite
[fernet_tokens]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
[oslo_messaging_notifications]
driver = noop
"""


@dataclass(frozen=True)
class User:
    """Somebody with roles in one project; ids are keystone's."""

    id: str
    name: str
    project: str
    project_name: str


def variables(url: str, name: str, project_name: str) -> dict[str, str]:
    """What a user puts into the environment, for the programs of others."""
    return {
        "OS_AUTH_URL": url,
        "OS_USERNAME": name,
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": project_name,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }


class KeystoneServer:
    """As a context manager it starts, and ends leaving no process. Projects and users have names of their own, so that tests do not meet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        [self.port] = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        directory.chmod(0o700)
        for name in ("fernet", "credential"):
            (directory / name).mkdir(mode=0o700)
        (directory / "keystone.conf").write_text(_CONF.format(directory=directory, url=self.root))

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What users know as OS_AUTH_URL."""
        return f"{self.root}/v3"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers; the data of an earlier run are still there."""
        command = [str(PYTHON), "-W", "ignore", str(PROCESS), str(self.directory), str(self.port)]
        environment = {"PATH": os.environ["PATH"], "OS_BOOTSTRAP_PASSWORD": PASSWORD}
        with (self.directory / "out").open("ab") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True)
        wait_until(self._answers, "keystone to answer", 120)
        self._admin = self._client("admin", PASSWORD, project_name="admin", project_domain_id="default")

    def stop(self) -> None:
        """The process ends with its standard input."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(30)
            self._process = None

    def freeze(self) -> None:
        """It goes on taking connections, and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def options(self, **changes: object) -> dict[str, dict[str, object]]:
        """Section [keystone_authtoken] for a service that checks tokens here. A revoked token counts until its entry in the cache ends: no cache."""
        service = self.user("service")
        options = {
            "auth_url": self.url,
            "auth_type": "password",
            "username": service.name,
            "password": PASSWORD,
            "project_name": service.project_name,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "token_cache_time": -1,
        }
        return {"keystone_authtoken": {**options, **changes}}

    # What an administrator does

    @property
    def administrator(self) -> dict[str, str]:
        """The environment of one who types."""
        return variables(self.url, "admin", "admin")

    def project(self) -> tuple[str, str]:
        """Id and name of a new project."""
        made = self._make("projects", "project", name=f"project-{uuid.uuid4().hex[:8]}", domain_id="default")
        return made["id"], made["name"]

    def user(self, *roles: str, project: tuple[str, str] | None = None) -> User:
        """A new user with roles in a project, a new one unless it is given."""
        project_id, project_name = project or self.project()
        made = self._make("users", "user", name=f"user-{uuid.uuid4().hex[:8]}", password=PASSWORD, domain_id="default")
        for role in roles:
            self.grant(f"/projects/{project_id}/users/{made['id']}", role)
        return User(made["id"], made["name"], project_id, project_name)

    def grant(self, what: str, role: str) -> None:
        """Gives a role: ``what`` is the beginning of the path of the grant."""
        [found] = self._admin.get(f"/roles?name={role}").json()["roles"]
        self._admin.put(f"{what}/roles/{found['id']}")

    def administer(self, method: str, path: str, document: object = None) -> Any:
        """What keystone answers to its administrator."""
        return self._admin.request(path, method, json=document).json()

    def disable(self, project: str) -> None:
        """No token of a project counts any more; ``project`` is its id."""
        self._admin.patch(f"/projects/{project}", json={"project": {"enabled": False}})

    @contextlib.contextmanager
    def published(self, service: str, url: str) -> Iterator[None]:
        """An entry of the catalogue, while the context lasts."""
        service_id = self._make("services", "service", type=service, name=service)["id"]
        for interface in ("public", "internal", "admin"):
            self._make("endpoints", "endpoint", service_id=service_id, interface=interface, url=url, region_id="RegionOne")
        try:
            yield
        finally:
            self._admin.delete(f"/services/{service_id}")

    # What a user does

    def token(self, user: User, **scope: str) -> str:
        """A new token, for the user's project unless another scope is named."""
        return self._token(self._client(user.name, PASSWORD, **(scope or {"project_id": user.project})))

    def unscoped_token(self, user: User) -> str:
        return self._token(self._client(user.name, PASSWORD, unscoped=True))

    def expired_token(self, user: User) -> str:
        """A token whose time is over: it counts no longer than the credential that it was asked for with."""
        for seconds in (1, 5, 30):  # a short one may end before it is used
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            with contextlib.suppress(Unauthorized):
                token = self.token_of_credential(self.application_credential(user, expires_at=end.strftime("%Y-%m-%dT%H:%M:%S.%f")))
                wait_until(partial(self._ended, token), "the end of a token", 60)
                return token
        raise TimeoutError("keystone needs more than half a minute for a token")

    def application_credential(self, user: User, **attributes: object) -> tuple[str, str]:
        """Id and secret of a new application credential."""
        own = self._client(user.name, PASSWORD, project_id=user.project)
        document = {"application_credential": {"name": uuid.uuid4().hex, **attributes}}
        made = own.post(f"/users/{user.id}/application_credentials", json=document).json()["application_credential"]
        return made["id"], made["secret"]

    def token_of_credential(self, credential: tuple[str, str]) -> str:
        key, secret = credential
        plugin = v3.ApplicationCredential(self.url, application_credential_id=key, application_credential_secret=secret)
        return self._token(Adapter(Session(plugin)))

    def revoke(self, token: str) -> None:
        self._admin.delete("/auth/tokens", headers={"X-Subject-Token": token})

    def knows(self, token: str) -> bool:
        """Whether a token still counts."""
        return bool(self._admin.head("/auth/tokens", headers={"X-Subject-Token": token}, raise_exc=False).status_code == 200)

    # Inside

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _ended(self, token: str) -> bool:
        return not self.knows(token)

    def _client(self, name: str, password: str, **scope: Any) -> Adapter:
        plugin = v3.Password(self.url, username=name, password=password, user_domain_id="default", **scope)
        return Adapter(Session(plugin), endpoint_override=self.url)

    def _token(self, client: Adapter) -> str:
        return str(client.get_token())

    def _make(self, collection: str, kind: str, **attributes: object) -> dict[str, Any]:
        made: dict[str, Any] = self._admin.post(f"/{collection}", json={kind: attributes}).json()[kind]
        return made

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"keystone ended:\n{(self.directory / 'out').read_text(errors='replace')[-4000:]}")
        with contextlib.suppress(ConnectFailure):
            return bool(Session().get(self.url).status_code == 200)
        return False
