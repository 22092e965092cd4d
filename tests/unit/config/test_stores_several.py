"""Several stores, each with a section of its own, and third parties' drivers."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, stores
from glance.config.programs import Loaded
from glance.model.stores import StoreTraits
from glance.store.stores import StoreSet
from glance.testing.servers import free_ports

OPERATING = Path(__file__).parents[3] / "docs/operating.md"
#: A distribution of a third party.
ENTRY_POINTS = """[glance.store.drivers]
acme = acme_config_store:Acme
plain = acme_config_store:Plain
odd = acme_config_store:Acme

[glance.store.options]
acme = acme_config_store:OPTIONS
odd = acme_config_store:ODD
"""
MODULE = """
from oslo_config import cfg
from glance.store.drivers.memory import MemoryStore

OPTIONS = [cfg.StrOpt("acme_path", secret=True), cfg.IntOpt("acme-size", default=7), cfg.ListOpt("acme_hosts", default=["a"])]
ODD = ["no option"]

class Acme(MemoryStore):
    def __init__(self, name, settings):
        super().__init__(name)
        self.properties = dict(settings)

class Plain(MemoryStore):
    pass
"""
TWO = ("enabled_backends = fast:file, cold:file", "[glance_store]", "default_backend = fast")

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a configuration; ``{}`` in its lines is the test's directory."""

    def load(*lines: str) -> Loaded:
        path = tmp_path / "glance-api.conf"
        path.write_text("\n".join(["[DEFAULT]", *lines]).replace("{}", str(tmp_path)))
        path.chmod(0o640)
        return programs.load(programs.API, [str(path)])

    return load


@pytest.fixture
def make(load: Load) -> Callable[..., StoreSet]:
    return lambda *lines: stores.make(load(*lines).conf)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's drivers, installed."""
    metadata = tmp_path / "acme_config_store-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-config-store\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (tmp_path / "acme_config_store.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "acme_config_store", raising=False)
    monkeypatch.syspath_prepend(tmp_path)


def levels(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """How loud the log told of each store that was left out."""
    return {str(record.args[0]): record.levelname for record in caplog.records if "left out" in record.getMessage()}


def test_make_when_there_are_several_stores_then_each_has_its_options_and_the_operator_s_words(make: Callable[..., StoreSet]) -> None:
    made = make(
        "enabled_backends = fast:file, cold:glance.store.filesystem.Store, web:https, scratch:memory",
        "[glance_store]",
        "default_backend = cold",
        "[fast]",
        "filesystem_store_datadir = {}/fast",
        "store_description = Fast disks, few",
        "weight = 100",
        "verify_on_read = yes",
        "[cold]",
        "filesystem_store_datadir = {}/cold",
        "[web]",
        "verify_on_read = no",
    )

    assert (made.names, made.default, made.several) == (("fast", "cold", "web", "scratch"), "cold", True)
    assert [made.traits(name) for name in made.names] == [
        StoreTraits("file", "Fast disks, few", 100, verify_on_read=True),
        StoreTraits("file"),
        StoreTraits("http"),
        StoreTraits("memory"),
    ]
    assert [str(made.get(name).properties["data_dir"]).rpartition("/")[2] for name in ("fast", "cold")] == ["fast", "cold"]
    assert made.for_external("https://host/x") is made.get("web")


def test_options_of_a_store_then_its_section_wins_over_the_defaults_of_all(load: Load, make: Callable[..., StoreSet]) -> None:
    lines = (
        *TWO,
        "filesystem_store_chunk_size = 9000",
        "[cold]",
        "filesystem_store_datadir = {}/cold",
        "filesystem_store_chunk_size = 5000",
        "[fast]",
        "filesystem_store_datadir = {}/fast",
        "[backend_defaults]",
        "filesystem_store_chunk_size = 7000",
        "filesystem_thin_provisioning = true",
        "store_description = On disk",
        "verify_on_read = on",
    )
    loaded, made = load(*lines), make(*lines)

    assert [made.get(name).properties["chunk_size"] for name in made.names] == [7000, 5000]
    assert [made.get(name).properties["thin_provisioning"] for name in made.names] == [True, True]
    assert [made.traits(name) for name in made.names] == [StoreTraits("file", "On disk", verify_on_read=True)] * 2
    assert loaded.notes == ()


def test_options_of_a_store_when_a_later_file_has_defaults_then_its_section_still_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "glance.conf", tmp_path / "glance-api.conf"
    section = "[fast]\nfilesystem_store_datadir = fast\nfilesystem_store_chunk_size = 5000\n"
    first.write_text(f"[DEFAULT]\nenabled_backends = fast:file\n[glance_store]\ndefault_backend = fast\n{section}")
    second.write_text("[backend_defaults]\nfilesystem_store_chunk_size = 7000\n")
    for path in (first, second):
        path.chmod(0o640)

    conf = programs.load(programs.API, ["--config-file", str(first), "--config-file", str(second)]).conf

    assert conf.fast.filesystem_store_chunk_size == 5000


def test_options_of_stores_when_the_environment_has_them_then_they_count(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"DEFAULT__ENABLED_BACKENDS": "fast:file", "GLANCE_STORE__DEFAULT_BACKEND": "fast", "FAST__FILESYSTEM_STORE_DATADIR": f"{tmp_path}/fast"}
    for name, value in values.items():
        monkeypatch.setenv(f"OS_{name}", value)

    loaded = load()

    assert str(stores.make(loaded.conf).get("fast").properties["data_dir"]) == f"{tmp_path}/fast"
    assert loaded.warnings() == []


@pytest.mark.parametrize("driver", ["swift", "s3", "http"])
def test_verify_on_read_when_nothing_is_said_then_on_for_remote_stores(make: Callable[..., StoreSet], driver: str) -> None:
    [port] = free_ports(1)
    swift = [f"swift_store_{name} = {value}" for name, value in (("auth_address", f"http://127.0.0.1:{port}/v1.0"), ("user", "u"), ("key", "k"))]
    s3 = ["s3_store_host", "s3_store_access_key", "s3_store_secret_key", "s3_store_bucket"]
    options = {"swift": swift, "s3": [f"s3_store_host = http://127.0.0.1:{port}", *(f"{name} = x" for name in s3[1:])], "http": []}
    made = make(f"enabled_backends = far:{driver}", "[glance_store]", "default_backend = far", "[far]", *options[driver])
    made.get("far").close()

    assert made.traits("far").verify_on_read


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["enabled_backends = a:file"], "default_backend is '', but must name one of the enabled stores: a"),
        (["enabled_backends = a:file", "[glance_store]", "default_backend = file"], "default_backend is 'file'"),
        (["enabled_backends = os_glance_mine:file", "[glance_store]", "default_backend = os_glance_mine"], "os_glance_ are reserved"),
        (["enabled_backends = os_glance_staging_store:file"], "os_glance_ are reserved"),
        (["enabled_backends = database:file"], "'database', but that is the name of another"),
        (["enabled_backends = Database:file"], "'Database', but that is the name of another"),
        (["enabled_backends = default:file"], "'default', but that is the name of another"),
        (["enabled_backends = backend_defaults:file"], "'backend_defaults', but that is the name of another"),
        (["enabled_backends = workers:file"], "'workers', but that is the name of another"),
        (["enabled_backends = a b:file"], "'a b': a store has a name of"),
        (["enabled_backends = a:rbd", "[glance_store]", "default_backend = a"], "default store 'a' cannot be used: .*'rbd' is not"),
        (["enabled_backends = a:s3", "[glance_store]", "default_backend = a"], "default store 'a' cannot be used: .*s3_store_bucket"),
        (
            [*TWO, "[fast]", "filesystem_store_datadir = {}/x", "[cold]", "filesystem_store_datadirs = {}/y/../x:3"],
            "'fast' and 'cold' would both keep data in",
        ),
        ([*TWO], "'fast' and 'cold' would both keep data in /var/lib/glance/images"),
        (
            [*TWO, "[backend_defaults]", "filesystem_store_datadir = {}/x"],
            "'fast' and 'cold' would both keep data in",
        ),
        (
            ["enabled_backends = a:file", "[glance_store]", "default_backend = a", "[a]", "filesystem_store_datadir = {}/x",
             "[os_glance_staging_store]", "filesystem_store_datadir = {}/x"],
            "'os_glance_staging_store' and 'a' would both keep data in",
        ),
    ],
)  # fmt: skip
def test_make_when_the_stores_cannot_be_used_then_ends_with_exit_3(make: Callable[..., StoreSet], lines: list[str], said: str) -> None:
    with pytest.raises(errors.StoreMisconfigured, match=said) as raised:
        make(*lines)
    assert raised.value.exit_status == 3


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["enabled_backends = fast"], "enabled_backends"),
        (["enabled_backends = a:file, a:http"], "Duplicate key a"),
        (["enabled_backends = a:file", "[a]", "weight = heavy"], "weight"),
        (["enabled_backends = a:file", "[backend_defaults]", "filesystem_store_timeout = soon"], "filesystem_store_timeout"),
    ],
)
def test_load_when_a_value_of_a_store_is_of_the_wrong_kind_then_said(load: Load, lines: list[str], said: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=f"(?s)Unable to load glance-api.*{said}"):
        load(*lines)


def test_make_when_one_of_several_cannot_be_used_then_left_out_with_an_error(
    make: Callable[..., StoreSet], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")
    made = make(
        "enabled_backends = fast:file, cold:file, deep:s3, far:rbd, web:http",
        "[glance_store]",
        "default_backend = fast",
        "https_ca_certificates_file = {}/counts-for-no-store",
        "[fast]",
        "filesystem_store_datadir = {}/fast",
        "[cold]",
        "filesystem_store_datadir = {}/file",
        "[web]",
        "https_ca_certificates_file = {}/no-certificates",
    )

    assert (made.names, made.default) == (("fast",), "fast")
    assert levels(caplog) == {"cold": "ERROR", "deep": "ERROR", "far": "ERROR", "web": "ERROR"}


def test_staging_of_several_stores_then_is_where_its_section_says(make: Callable[..., StoreSet]) -> None:
    one = ("enabled_backends = a:memory", "[glance_store]", "default_backend = a")

    usual = make("node_staging_uri = file://{}/old", *one)
    chosen = make(*one, "[os_glance_staging_store]", "filesystem_store_datadir = {}/waiting", "filesystem_store_chunk_size = 5000")

    assert str(usual.staging.properties["data_dir"]) == "/var/lib/glance/os_glance_staging_store"
    assert str(chosen.staging.properties["data_dir"]).endswith("/waiting")
    assert chosen.staging.properties["chunk_size"] == 5000


def test_warnings_when_options_of_stores_stand_where_nobody_reads_them_then_each_is_told(load: Load) -> None:
    loaded = load(
        "enabled_backends = fast:file, cold:swift",
        "node_staging_uri = file:///staging",
        "[glance_store]",
        "default_backend = fast",
        "stores = file, http",
        "filesystem_store_datadir = /images",
        "[fast]",
        "filesystem_store_datadirr = /fast",
        "s3_store_host = host",
        "[Cold]",
        "swift_store_user = u",
        "wieght = 4",
        "[clod]",
        "swift_store_key = k",
        "[backend_defaults]",
        "s3_store_bucket = b",
        "swift_store_region = r",
        "[os_glance_staging_store]",
        "path = /x",
        "[os_glance_tasks_store]",
        "filesystem_store_datadir = /x",
        "[cors]",
        "allowed_origin = x",
    )

    said = "\n".join(loaded.warnings())
    for text in (
        "The option filesystem_store_datadirr in [fast] is none",
        "The option s3_store_host in [fast] is none",
        "The option wieght in [cold] is none",
        "The section [clod] has options of a store",
        "The option s3_store_bucket in [backend_defaults] is none",
        "The option path in [os_glance_staging_store] is none",
        "take them: stores, filesystem_store_datadir.",
        "node_staging_uri is ignored",
        "The store 'fast' keeps images in /var/lib/glance/images/",
    ):
        assert text in said
    assert len(loaded.warnings()) == 9


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["[glance_store]", "default_backend = fast"], "count only where enabled_backends is set"),
        (["[backend_defaults]", "weight = 1"], "count only where enabled_backends is set"),
        (["[fast]", "filesystem_store_datadir = /fast"], "The section [fast] has options of a store"),
    ],
)
def test_warnings_when_several_stores_are_described_but_not_enabled_then_told(load: Load, lines: list[str], said: str) -> None:
    [warning] = load(*lines).warnings()
    assert said in warning


@pytest.mark.parametrize(
    "lines",
    [
        ["[app:glance-api]", "filesystem_store_datadir = /images"],
        ["[os_glance_staging_store]", "filesystem_store_datadir = /x"],
        ["enabled_backends = web:http, m:memory", "[glance_store]", "default_backend = m"],
        [
            "enabled_backends = a-b.c:file",
            "[glance_store]",
            "default_backend = a-b.c",
            "[a-b.c]",
            "filesystem_store_datadirs = /x",
            "store_description = X",
        ],
    ],
)
def test_warnings_when_all_options_count_then_none(load: Load, lines: list[str]) -> None:
    assert load(*lines).warnings() == []


def test_example_of_the_operators_page_then_is_taken_without_a_warning(load: Load, tmp_path: Path) -> None:
    [text] = re.findall(r"^## Several stores\n\n```ini\n\[DEFAULT\]\n(.*?)^```$", OPERATING.read_text(), re.MULTILINE | re.DOTALL)
    [port] = free_ports(1)
    text = text.replace("/var/lib/glance", str(tmp_path)).replace("https://identity.example.org", f"http://127.0.0.1:{port}")

    loaded = load(text)
    made = stores.make(loaded.conf)

    assert (made.names, made.default, loaded.warnings()) == (("fast", "cold", "web"), "fast", [])
    assert [made.traits(name) for name in made.names] == [
        StoreTraits("file", "Local disks", 100),
        StoreTraits("swift", "Images of this site", verify_on_read=True, appears_late=True),
        StoreTraits("http", "Images of this site", verify_on_read=True),
    ]


def test_secrets_of_a_store_then_are_not_in_the_banner_and_readable_files_are_told(load: Load, tmp_path: Path) -> None:
    loaded = load("enabled_backends = cold:swift", "[glance_store]", "default_backend = cold", "[cold]", "swift_store_key = hidden")
    (tmp_path / "glance-api.conf").chmod(0o644)

    banner = "\n".join(loaded.banner())
    assert ("hidden" in banner, "cold.swift_store_key" in banner) == (False, True)
    assert [warning for warning in loaded.warnings() if "holds secrets" in warning]


def test_driver_of_a_third_party_then_gets_its_options_by_name_from_its_section(acme: None, make: Callable[..., StoreSet]) -> None:
    made = make(
        "enabled_backends = one:acme, two:acme, three:plain",
        "[glance_store]",
        "default_backend = two",
        "acme_path = elsewhere",
        "[one]",
        "acme_path = p",
        "acme_size = 5",
        "weight = 2",
        "[backend_defaults]",
        "acme_hosts = b, c",
    )

    assert made.get("one").properties == {"acme_path": "p", "acme_size": 5, "acme_hosts": ["b", "c"]}
    assert made.get("two").properties == {"acme_path": None, "acme_size": 7, "acme_hosts": ["b", "c"]}
    assert made.get("three").properties == {}
    assert made.traits("one") == StoreTraits("acme", weight=2, verify_on_read=True)


def test_driver_of_a_third_party_when_there_is_one_store_each_then_the_options_stand_with_all_others(acme: None, load: Load) -> None:
    loaded = load("[glance_store]", "stores = file, acme, plain", "default_store = acme", "acme_path = p", "filesystem_store_datadir = {}/images")
    made = stores.make(loaded.conf)

    assert (made.names, made.default) == (("file", "acme", "plain"), "acme")
    assert made.get("acme").properties == {"acme_path": "p", "acme_size": 7, "acme_hosts": ["a"]}
    assert [line for line in loaded.banner() if "acme_path" in line] == [f"{'glance_store.acme_path':<30} ****"]


def test_driver_of_a_third_party_when_its_options_are_none_then_left_out(
    acme: None, make: Callable[..., StoreSet], caplog: pytest.LogCaptureFixture
) -> None:
    made = make("enabled_backends = one:odd, two:plain", "[glance_store]", "default_backend = two")

    assert (made.names, levels(caplog)) == (("two",), {"one": logging.getLevelName(logging.ERROR)})
