"""Options: where they may stand, how they are spelled, and what is said when they are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.config import access, database, images, listening, programs, registry
from glance.config.programs import API, REGISTRY, Loaded
from glance.context import RequestContext

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a program with a configuration file of the given text."""

    def load(text: str, *arguments: str, program: str = API) -> Loaded:
        path = tmp_path / f"{program}.conf"
        path.write_text(text)
        path.chmod(0o640)
        return programs.load(program, ["--config-file", str(path), *arguments])

    return load


def test_load_when_file_is_empty_then_defaults_are_the_classic_ones(load: Load) -> None:
    conf = load("").conf

    assert (conf.bind_host, conf.bind_port, conf.backlog, conf.registry_port) == (None, 9292, 4096, 9191)  # its pipeline decides where it listens
    assert (conf.glance_store.default_store, conf.glance_store.filesystem_store_datadir) == ("file", "/var/lib/glance/images/")
    assert database.read(conf).connection == "sqlite:///glance.sqlite"
    assert (conf.image_size_cap, conf.limit_param_default, conf.api_limit_max) == (1099511627776, 25, 1000)


def test_load_when_registry_has_no_address_then_it_stays_private(load: Load) -> None:
    conf = load("", program=REGISTRY).conf

    assert (conf.bind_host, conf.bind_port) == ("127.0.0.1", 9191)


def test_load_when_later_files_repeat_an_option_then_the_last_one_wins(load: Load, tmp_path: Path) -> None:
    directory = tmp_path / "conf.d"
    directory.mkdir()
    (directory / "10.conf").write_text("[DEFAULT]\nbind_port = 3\n")
    (tmp_path / "second.conf").write_text("[DEFAULT]\nbind_port = 2\nbacklog = 7\n")

    loaded = load("[DEFAULT]\nbind_port = 1\n", "--config-file", str(tmp_path / "second.conf"), "--config-dir", str(directory))

    assert (loaded.conf.bind_port, loaded.conf.backlog) == (3, 7)
    assert [path.name for path in loaded.files] == ["glance-api.conf", "second.conf", "10.conf"]


def test_load_when_the_file_is_positional_then_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "glance.conf.sample"
    path.write_text("[DEFAULT]\nbind_port = 77\n")
    path.chmod(0o640)

    assert programs.load(API, [str(path), "--debug"]).conf.bind_port == 77


def test_load_when_nothing_is_named_then_searches_and_the_program_s_own_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".glance").mkdir(parents=True)
    (tmp_path / "glance.conf").write_text("[DEFAULT]\nbind_port = 1\nbacklog = 1\n")
    (home / ".glance" / "glance-api.conf").write_text("[DEFAULT]\nbind_port = 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))

    conf = programs.load(API, []).conf

    assert (conf.bind_port, conf.backlog) == (2, 1)


def test_load_when_there_is_no_file_then_says_so_in_the_words_of_2011(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    with pytest.raises(errors.ConfigurationMissing) as raised:
        programs.load(API, [])
    assert raised.value.message == "Unable to locate any configuration file. Cannot load application glance-api"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[DEFAULT]\nbind_port = seventy\n", "bind_port"),
        ("[DEFAULT]\nhttp_keepalive = perhaps\n", "http_keepalive"),
        ("[DEFAULT]\nthis is no option\n", "glance-api.conf:2"),
        ("bind_port = 1\n", "glance-api.conf:1"),
    ],
)
def test_load_when_the_file_is_wrong_then_names_file_and_place(load: Load, text: str, reason: str) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        load(text)
    first, second = raised.value.message.split("\n", 1)
    assert first.startswith("Unable to load glance-api from configuration file /")
    assert second.startswith("Got: ")
    assert reason in second


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("bind_port = seventy", "bind_port in {path} is not valid: 'seventy'. Accepted: a whole number, at least 0, at most 65535."),
        ("backlog = 0", "backlog in {path} is not valid: '0'. Accepted: a whole number, at least 1."),
        ("drain_timeout = -1", "drain_timeout in {path} is not valid: '-1'. Accepted: a number, at least 0."),
        ("http_keepalive = perhaps", "http_keepalive in {path} is not valid: 'perhaps'. Accepted: true or false."),
        ("debug = perhaps", "debug in {path} is not valid: 'perhaps'. Accepted: true or false."),
        ("registry_mode = psychic", "registry_mode in {path} is not valid: 'psychic'. Accepted: http, embedded."),
        ("log_rotation_type = daily", "log_rotation_type in {path} is not valid: 'daily'. Accepted: interval, size, none."),
    ],
)
def test_load_when_a_value_is_wrong_then_tells_file_option_value_and_what_is_accepted(load: Load, tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        load(f"[DEFAULT]\n{line}\n")

    assert raised.value.message.endswith("\nGot: Value for option " + reason.format(path=tmp_path / "glance-api.conf"))


def test_load_when_a_value_in_the_section_of_the_application_is_wrong_then_tells_it(load: Load) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        load("[app:glance-api]\nbind_port = seventy\n")

    assert "'seventy'. Accepted: a whole number" in raised.value.message


def test_load_when_the_named_file_is_missing_then_does_not_take_another(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"missing\.conf\.\nGot: No such file"):
        programs.load(API, ["--config-file", str(tmp_path / "missing.conf")])


@pytest.mark.parametrize("value", ["pa$word", "${nope}", "50%", "%(asctime)s", "a=b:c", "$$", "100%%"])
def test_load_when_a_value_has_percent_or_dollar_then_it_is_kept(load: Load, value: str) -> None:
    expected = "$" if value == "$$" else value

    assert load(f"[DEFAULT]\nregistry_shared_secret = {value}\n").conf.registry_shared_secret == expected


@pytest.mark.parametrize("word", ["True", "true", "TRUE", "1", "yes", "on", "Yes"])
def test_load_when_a_boolean_is_spelled_yes_then_it_is_true(load: Load, word: str) -> None:
    assert load(f"[DEFAULT]\nallow_anonymous_access = {word}\n").conf.allow_anonymous_access is True


@pytest.mark.parametrize("word", ["False", "false", "0", "no", "off", "OFF"])
def test_load_when_a_boolean_is_spelled_no_then_it_is_false(load: Load, word: str) -> None:
    assert load(f"[DEFAULT]\nhttp_keepalive = {word}\n").conf.http_keepalive is False


def test_load_when_options_and_sections_are_unknown_then_ignores_them(load: Load) -> None:
    text = (
        "[DEFAULT]\nimage_cache_dir = /x\nnotifier_strategy = noop\ndefault_store = file\n[keystone_authtoken]\nauth_uri = x\n[strange:one]\na = b\n"
    )

    assert load(text).conf.bind_port == 9292
    assert load(text, program=REGISTRY).conf.bind_port == 9191


@pytest.mark.parametrize(
    "text",
    [
        "[database]\nconnection = {url}\n",
        "[DEFAULT]\nsql_connection = {url}\n",
        "[sql]\nsql_connection = {url}\n",
        "[DATABASE]\nsql_connection = {url}\n",
        "[DEFAULT]\nlog_file = x\n[app:glance-registry]\nsql_connection = {url}\n",
    ],
)
def test_database_url_when_spelled_as_in_any_release_then_is_found(load: Load, text: str) -> None:
    url = "mysql://root:pa%ss@localhost/glance"

    assert database.read(load(text.format(url=url), program=REGISTRY).conf).connection == url


def test_store_options_when_in_both_sections_then_glance_store_wins(load: Load) -> None:
    group = load(
        "[DEFAULT]\nfilesystem_store_datadir = /old\nknown_stores = http\n[glance_store]\nfilesystem_store_datadir = /new\n"
    ).conf.glance_store

    assert (group.filesystem_store_datadir, group.stores) == ("/new", ["http"])


def test_options_when_in_the_section_of_the_application_then_are_found_as_in_2011(load: Load) -> None:
    text = "[DEFAULT]\nverbose = True\n[app:glance-api]\nbind_port = 80\nfilesystem_store_datadir = /x\n[app:glance-registry]\nbind_port = 81\n"

    api, metadata = load(text).conf, load(text, program=REGISTRY).conf

    assert (api.bind_port, api.glance_store.filesystem_store_datadir, metadata.bind_port) == (80, "/x", 81)


def test_command_line_when_options_have_underscores_then_they_are_understood(load: Load) -> None:
    conf = load(
        "[DEFAULT]\nlog_file = /from/file\n", "--log_file=/from/line", "--log_dir", "/logs", "--log_date_format=%H", "--log-format=%(message)s"
    ).conf

    assert (conf.log_file, conf.log_dir, conf.log_date_format, conf.log_format) == ("/from/line", "/logs", "%H", "%(message)s")


def test_registry_port_when_misprinted_as_in_2010_then_is_found(load: Load) -> None:
    assert registry.read_client(load("[DEFAULT]\nresigtry_port = 7\n").conf).port == 7


def test_banner_then_lists_options_and_covers_secrets(load: Load) -> None:
    loaded = load("[DEFAULT]\nregistry_shared_secret = SENT\nbind_port = 1234\n[database]\nconnection = mysql://u:SENT@h/db\n")

    lines = loaded.banner()

    assert lines[:2] == ["*" * 80, "Configuration options gathered from config file:"]
    assert lines[2] == str(loaded.files[0])
    assert (lines[3], lines[-1]) == ("=" * 48, "*" * 80)
    assert f"{'bind_port':<30} 1234" in lines
    assert f"{'registry_shared_secret':<30} ****" in lines
    assert not any("SENT" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ("[DEFAULT]\nregistry_shared_secret = x\n", 0o644, True),
        ("[database]\nconnection = mysql://u:p@h/db\n", 0o644, True),
        ("[keystone_authtoken]\npassword = x\n", 0o644, True),
        ("[database]\nconnection = sqlite:////x\n", 0o644, False),
        ("[DEFAULT]\nregistry_shared_secret = x\n", 0o640, False),
    ],
)
def test_warnings_when_a_file_with_secrets_is_open_to_all_then_say_so(tmp_path: Path, text: str, mode: int, warned: bool) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text(text)
    path.chmod(mode)

    assert any("holds secrets" in warning for warning in programs.load(API, [str(path)]).warnings()) is warned


def test_warnings_when_an_option_is_not_there_yet_then_name_what_follows(load: Load) -> None:
    assert not load("[DEFAULT]\nmetadata_encryption_key = \n").warnings()
    assert any("metadata_encryption_key" in warning for warning in load("[DEFAULT]\nmetadata_encryption_key = secret\n").warnings())


def test_use_user_token_when_off_then_refuses(load: Load) -> None:
    with pytest.raises(errors.ConfigurationError, match="use_user_token"):
        access.check(load("[DEFAULT]\nuse_user_token = False\n").conf)


def test_workers_when_zero_or_absent_then_one_process_or_one_for_each_processor(load: Load) -> None:
    assert listening.read(load("[DEFAULT]\nworkers = 0\n").conf)["workers"] == 0
    assert listening.read(load("").conf)["workers"] >= 1


def test_read_api_when_default_page_is_longer_than_the_longest_then_refuses(load: Load) -> None:
    with pytest.raises(errors.ConfigurationError, match="limit_param_default"):
        images.read_api(load("[DEFAULT]\nlimit_param_default = 10\napi_limit_max = 5\n").conf, [])


@pytest.mark.parametrize(("option", "found"), [("", "policy.yaml"), ("policy_file = other.json", "other.json"), ("policy_file = absent", "absent")])
def test_policy_file_then_is_looked_for_beside_the_configuration(load: Load, tmp_path: Path, option: str, found: str) -> None:
    for name in ("policy.yaml", "policy.json", "other.json"):
        (tmp_path / name).write_text("{}")
    loaded = load(f"[DEFAULT]\n{option}\n")

    assert access.read_policy(loaded.conf, loaded.directories).path == tmp_path / found


def test_policy_then_files_of_its_directories_count_too_and_the_old_defaults_where_they_are_asked_for(load: Load, tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "more.yaml").write_text('"delete_image": "!"')
    loaded = load("[oslo_policy]\nenforce_new_defaults = False\n")

    policy = access.make_policy(loaded.conf, loaded.directories)

    anybody = RequestContext(user="u", project="p")
    assert [policy.allows(rule, anybody, {}) for rule in ("delete_image", "add_image")] == [False, True]


@pytest.mark.parametrize("name", ["policy.yaml", "policy.json", "policy.d/more.yaml"])
def test_policy_when_everybody_may_write_it_then_refused(load: Load, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('"delete_image": "!"')
    path.chmod(0o666)
    loaded = load("")

    with pytest.raises(errors.ConfigurationUnsafe, match=re.escape(f"chmod o-w {path}")):
        access.make_policy(loaded.conf, loaded.directories)


@pytest.mark.parametrize(("option", "name"), [("", "policy.yaml"), ("policy_file = rules.yaml", "rules.yaml"), ("policy_dirs = more.d", "more.d")])
def test_policy_when_it_cannot_be_looked_at_then_refused_and_not_taken_for_absent(load: Load, tmp_path: Path, option: str, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / name)  # to itself
    loaded = load(f"[oslo_policy]\n{option}\n")

    with pytest.raises(errors.ConfigurationError, match=f"The policy file {tmp_path}/{name} cannot be used"):
        access.make_policy(loaded.conf, loaded.directories)


@pytest.mark.parametrize(("value", "warned"), [("True", 0), ("False", 1)])
def test_scope_when_it_is_not_to_be_enforced_then_says_that_it_is(load: Load, value: str, warned: int) -> None:
    warnings = load(f"[oslo_policy]\nenforce_scope = {value}\n").warnings()

    assert len([text for text in warnings if "enforce_scope" in text]) == warned


def test_two_configurations_in_one_process_then_do_not_mix(load: Load) -> None:
    first = load("[DEFAULT]\nbind_port = 1\n").conf
    second = load("[DEFAULT]\nbind_port = 2\n").conf

    assert (first.bind_port, second.bind_port) == (1, 2)
