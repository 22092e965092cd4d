"""How far one small upload walks through our code: the measure of "easy to follow" that a machine can take (docs/architecture.md)."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import pytest
from sqlalchemy import Engine

from glance.api.settings import ApiSettings
from glance.db.registry import SqlRegistry
from glance.policies.engine import PolicyEngine
from tests.api.conftest import DATA, Api, pipeline, wsgi_sender
from tests.services import make_services
from tests.statements import Statement, counted

OURS = str(Path(__file__).parents[2] / "glance") + "/"
#: What tests bring along, and what belongs to the function that it stands in.
NOT_COUNTED = re.compile(r"^testing/|<(listcomp|setcomp|dictcomp|genexpr)>$")
BODY = b"123456789"
#: What an upload may take. Version 1 does more in its one request: it reads metadata from headers, makes the image, and shows all of it.
BUDGETS = {
    "v1": {"files": 32, "functions": 115, "calls": 250, "statements": 12},
    "v2": {"files": 26, "functions": 90, "calls": 250, "statements": 12},
}


def shown(code: CodeType) -> str:
    return f"{code.co_filename.removeprefix(OURS)}:{code.co_qualname}"


@dataclass
class Walk:
    """What was run meanwhile, on every thread that began meanwhile: our code objects with how often each was entered, and statements of SQL."""

    entered: Counter[CodeType] = field(default_factory=Counter)
    statements: Sequence[Statement] = ()

    def profile(self, frame: FrameType, what: str, _argument: object) -> None:
        code = frame.f_code
        if what == "call" and code.co_filename.startswith(OURS) and not NOT_COUNTED.search(shown(code)):
            self.entered[code] += 1

    @property
    def measures(self) -> dict[str, int]:
        return {
            "files": len({code.co_filename for code in self.entered}),
            "functions": len(self.entered),
            "calls": self.entered.total(),
            "statements": len(self.statements),
        }

    def report(self) -> str:
        """The measures, and every function with its number of calls, the most called first."""
        lines = [f"{count:4} {shown(code)}" for code, count in self.entered.most_common()]
        return "\n".join([str(self.measures), *lines, *(statement.text for statement in self.statements)])


@contextmanager
def walked(engine: Engine) -> Iterator[Walk]:
    with counted(engine) as statements:
        walk = Walk(statements=statements)
        threading.setprofile(walk.profile)
        sys.setprofile(walk.profile)
        try:
            yield walk
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


@pytest.fixture
def api(tmp_path: Path, engine: Engine) -> Api:
    policy = PolicyEngine(None, clock=lambda: 0.0)  # however slow the machine is, the second after which it looks at its files never ends
    services, settings = make_services(tmp_path, SqlRegistry(engine), policy=policy), ApiSettings()
    return Api(services, settings, tmp_path / "images", wsgi_sender(pipeline(services, settings, trusted=False)), {})


def v1(api: Api) -> Callable[[], None]:
    """An upload by way of version 1."""
    return lambda: api.create(body=BODY)


def v2(api: Api) -> Callable[[], None]:
    """An upload by way of version 2, to an image that is reserved already."""
    image_id = api.new()
    return lambda: api.request("PUT", f"/v2/images/{image_id}/file", DATA, BODY)


@pytest.mark.parametrize("database_kind", ["sqlite"], scope="session")  # whatever other tests of the process chose: MariaDB looks at ids, too
@pytest.mark.parametrize("prepare", [v1, v2])
def test_walk_of_a_small_upload_then_stays_within_the_budget(api: Api, engine: Engine, prepare: Callable[[Api], Callable[[], None]]) -> None:
    prepare(api)()  # the first request of a process also fills what later ones find
    upload = prepare(api)
    with walked(engine) as walk:
        upload()
    print(walk.report())
    assert {name: (walk.measures[name], most) for name, most in BUDGETS[prepare.__name__].items() if walk.measures[name] > most} == {}
