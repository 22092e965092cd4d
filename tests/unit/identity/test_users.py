"""Users with passwords: whom the two files know, what is computed, and what they must not be."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import bcrypt
import pytest

from glance import errors
from glance.context import Identity
from glance.identity.users import MAX_PASSWORD, MOST_REMEMBERED, UserFiles, Users

CHEAP, DEAR = 4, 9


def hashed(password: str, cost: int = CHEAP) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A directory with the two files."""

    def __init__(self, directory: Path) -> None:
        self.files = UserFiles(directory / "htpasswd", directory / "users", remember=60)
        self.clock = Clock()
        self.write(f"alice:{hashed('right')}\n", "alice:web:Member, auditor\n")

    def write(self, htpasswd: str | None = None, users: str | None = None, mode: int = 0o600) -> None:
        for path, text in ((self.files.htpasswd, htpasswd), (self.files.users, users)):
            if text is not None:
                new = path.with_suffix(".new")
                new.write_text(text)
                new.chmod(mode)
                new.rename(path)

    def users(self) -> Users:
        return Users(self.files, self.clock)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def seconds(users: Users, user: str, password: str) -> float:
    """Processor time of one look, the shortest of three: what others do meanwhile does not count."""
    taken = []
    for _ in range(3):
        started = time.thread_time()
        users.find(user, password)
        taken.append(time.thread_time() - started)
    return min(taken)


def test_find_when_name_and_password_are_right_then_project_and_roles_with_those_they_include(place: Place) -> None:
    assert place.users().find("alice", "right") == Identity("alice", "web", ("member", "auditor", "reader"))


@pytest.mark.parametrize(
    ("user", "password"),
    [("alice", "wrong"), ("alice", ""), ("alice", "right "), ("alice", "right\0"), ("Alice", "right"), ("", "right"), ("bob", "right"), ("#", "")],
)
def test_find_when_either_is_wrong_then_nobody(place: Place, user: str, password: str) -> None:
    users = place.users()

    for _ in range(2):
        assert users.find(user, password) is None
        users.find("alice", "right")


def test_find_when_htpasswd_wrote_the_file_then_known(place: Place) -> None:
    command = ["htpasswd", "-i", "-B", "-C", str(CHEAP), "-c", str(place.files.htpasswd), "alice"]
    subprocess.run(command, input="pässword", text=True, capture_output=True, timeout=60, check=True)
    place.files.htpasswd.chmod(0o640)

    assert place.users().find("alice", "pässword") is not None


def test_find_when_the_password_is_longer_than_bcrypt_reads_then_nobody(place: Place) -> None:
    longest = "x" * MAX_PASSWORD
    place.write(f"alice:{hashed(longest)}\n")

    assert place.users().find("alice", longest) is not None
    assert place.users().find("alice", longest + "y") is None
    assert place.users().find("alice", "ü" * MAX_PASSWORD) is None


def test_find_when_a_user_is_in_one_file_only_then_nobody(place: Place) -> None:
    place.write(f"alice:{hashed('right')}\nbob:{hashed('bob')}\n", "alice:web:member\ncarol:web:admin\n")

    assert [place.users().find(user, user) for user in ("bob", "carol")] == [None, None]


@pytest.mark.parametrize("missing", ["htpasswd", "users"])
def test_find_when_a_file_is_missing_then_nobody_until_it_is_there(place: Place, missing: str) -> None:
    path = getattr(place.files, missing)
    text = path.read_text()
    path.unlink()
    users = place.users()
    assert users.find("alice", "right") is None

    place.write(**{missing: text})

    assert users.find("alice", "right") is not None


def test_find_when_password_roles_or_user_change_then_the_next_call_knows(place: Place) -> None:
    users = place.users()
    assert users.find("alice", "right") is not None

    place.write(users="alice:other:reader\n")
    assert users.find("alice", "right") == Identity("alice", "other", ("reader",))
    place.write(htpasswd=f"alice:{hashed('new')}\n")
    assert users.find("alice", "right") is None
    assert users.find("alice", "new") is not None
    place.write(users="# nobody\n")
    assert users.find("alice", "new") is None


def test_find_when_the_password_was_right_lately_then_not_computed_again(place: Place) -> None:
    place.write(f"alice:{hashed('right', DEAR)}\n")
    users = place.users()
    computed = seconds(users, "alice", "wrong")
    users.find("alice", "right")

    assert seconds(users, "alice", "right") < computed / 4
    place.clock.now = 60.0
    started = time.thread_time()
    assert users.find("alice", "right") is not None
    assert time.thread_time() - started > computed / 4


def test_find_when_it_is_wrong_then_a_known_user_and_an_unknown_one_take_the_same_time(place: Place) -> None:
    place.write(f"alice:{hashed('right', DEAR)}\n")
    users = place.users()
    users.find("alice", "right")

    known, unknown = seconds(users, "alice", "wrong"), seconds(users, "bob", "wrong")
    right_for_another = seconds(users, "bob", "right")

    assert known / 3 < unknown < known * 3
    assert known / 3 < right_for_another


def test_find_when_many_ask_at_once_then_all_are_known(place: Place) -> None:
    users = place.users()
    found: list[Identity | None] = []
    threads = [threading.Thread(target=lambda: found.append(users.find("alice", "right"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one is not None for one in found] == [True] * 8


def test_find_when_more_passwords_are_right_than_are_remembered_then_the_oldest_is_computed_again(place: Place) -> None:
    place.write("".join(f"user{number}:{hashed('right')}\n" for number in range(MOST_REMEMBERED + 1)))
    place.write(users="".join(f"user{number}:web:member\n" for number in range(MOST_REMEMBERED + 1)))
    users = place.users()
    for number in range(MOST_REMEMBERED + 1):
        assert users.find(f"user{number}", "right") is not None

    remembered = seconds(users, f"user{MOST_REMEMBERED}", "right")
    started = time.thread_time()
    assert users.find("user0", "right") is not None

    assert time.thread_time() - started > 4 * remembered


BROKEN = {
    "md5": ("alice:$apr1$abc$abcdefghijklmnopqrstuv\n", None),
    "plain": ("alice:right\n", None),
    "sha1": ("alice:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n", None),
    "no hash": ("alice\n", None),
    "more fields": (f"alice:{hashed('right')}:web\n", None),
    "a cost of years": (f"alice:{hashed('right').replace('$04$', '$31$')}\n", None),
    "twice": (f"alice:{hashed('right')}\nalice:{hashed('other')}\n", None),
    "no name": (f":{hashed('right')}\n", None),
    "no roles": (None, "alice:web:\n"),
    "no project": (None, "alice::member\n"),
    "two fields": (None, "alice:web\n"),
    "empty role": (None, "alice:web:member,,admin\n"),
}


@pytest.mark.parametrize(("htpasswd", "users"), BROKEN.values(), ids=BROKEN)
def test_files_when_one_is_wrong_then_refused_with_the_line_and_without_its_text(place: Place, htpasswd: str | None, users: str | None) -> None:
    place.write(f"# comment\n\n{htpasswd}" if htpasswd else None, f"# comment\n\n{users}" if users else None)

    with pytest.raises(errors.ConfigurationError, match=r"cannot be used: line [34] ") as raised:
        place.users()
    for text in ("right", "$2b$", "alice"):
        assert text not in raised.value.message


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o666])
def test_files_when_others_can_open_one_then_refused(place: Place, mode: int) -> None:
    place.write(users="alice:web:admin\n", mode=mode)

    with pytest.raises(errors.ConfigurationUnsafe, match="run: chmod 640") as raised:
        place.users()
    assert raised.value.exit_status == os.EX_CONFIG


def test_files_when_one_is_no_text_or_no_file_then_refused(place: Place) -> None:
    place.files.users.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.ConfigurationError, match="it is not UTF-8"):
        place.users()
    place.files.users.unlink()
    place.files.users.mkdir(0o700)
    with pytest.raises(errors.ConfigurationError, match="cannot be used"):
        place.users()
