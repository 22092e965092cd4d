"""The options of the S3 store."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config.cfg import ConfigOpts

from glance import errors
from glance.config import logs, programs, s3
from glance.store.drivers.s3.settings import S3StoreSettings

MIB = 1 << 20
KEYS = ["s3_store_access_key = AKIDEXAMPLE", "s3_store_secret_key = wJalr/XUtn"]
NEEDED = ["s3_store_host = s3.example.net", "s3_store_bucket = images", *KEYS]


def load(tmp_path: Path, group: str, *lines: str) -> ConfigOpts:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join([f"[{group}]", *lines]))
    path.chmod(0o640)
    return programs.load(programs.API, [str(path)]).conf


@pytest.mark.parametrize("group", ["DEFAULT", "glance_store"])
def test_read_when_only_the_needed_is_set_then_the_rest_is_the_classic_default(tmp_path: Path, group: str) -> None:
    settings = s3.read(load(tmp_path, group, *NEEDED).glance_store)

    assert settings == S3StoreSettings(host="s3.example.net", bucket="images", keys=("AKIDEXAMPLE", "wJalr/XUtn"))
    assert (settings.large_object_size, settings.chunk_size, settings.threads) == (100 * MIB, 10 * MIB, 10)


def test_read_when_all_is_set_then_so_are_the_settings(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("certificates")
    lines = [
        "s3_store_region_name = eu-north-1",
        "s3_store_bucket_url_format = subdomain",
        "s3_store_create_bucket_on_put = True",
        "s3_store_large_object_size = 50",
        "s3_store_large_object_chunk_size = 5",
        "s3_store_thread_pools = 3",
        f"s3_store_cacert = {authority}",
        "s3_store_request_checksum_calculation = when_supported",
        "s3_store_enable_proxy = True",
        "s3_store_proxy_host = proxy.example.net",
        "s3_store_proxy_user = glance",
        "s3_store_proxy_password = p@ss/word",
    ]
    settings = s3.read(load(tmp_path, "glance_store", *NEEDED, *lines).glance_store)

    assert (settings.region, settings.addressing, settings.create_bucket, settings.ca_file) == ("eu-north-1", "virtual", True, authority)
    assert (settings.large_object_size, settings.chunk_size, settings.threads) == (50 * MIB, 5 * MIB, 3)
    assert (settings.request_checksums, settings.response_checksums) == ("when_supported", "when_required")
    assert settings.proxy == "http://glance:p%40ss%2Fword@proxy.example.net:8080"
    assert "word" not in repr(settings)


def test_read_when_integrity_is_protected_then_checksums_both_ways(tmp_path: Path) -> None:
    settings = s3.read(load(tmp_path, "glance_store", *NEEDED, "s3_store_enable_data_integrity_protection = True").glance_store)

    assert (settings.request_checksums, settings.response_checksums) == ("when_supported", "when_supported")


def test_read_when_an_option_has_no_effect_here_then_warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    s3.read(load(tmp_path, "DEFAULT", *NEEDED, "s3_store_object_buffer_dir = /var/tmp").glance_store)

    assert "s3_store_object_buffer_dir has no effect" in caplog.text


@pytest.mark.parametrize("missing", range(len(NEEDED)))
def test_read_when_something_is_missing_then_it_is_named(tmp_path: Path, missing: int) -> None:
    lines = [line for number, line in enumerate(NEEDED) if number != missing]

    with pytest.raises(errors.StoreMisconfigured, match=NEEDED[missing].partition(" ")[0]):
        s3.read(load(tmp_path, "glance_store", *lines).glance_store)


@pytest.mark.parametrize(
    "line",
    [
        "s3_store_host = ftp://host",
        "s3_store_host = https://key:secret@host",
        "s3_store_cacert = /no/such/file",
        "s3_store_enable_proxy = True",
    ],
)
def test_read_when_an_option_is_wrong_then_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(errors.StoreMisconfigured):
        s3.read(load(tmp_path, "glance_store", *NEEDED, line).glance_store)


def test_keys_then_are_in_no_text_about_the_options(tmp_path: Path) -> None:
    conf = load(tmp_path, "glance_store", *NEEDED)

    text = "\n".join([repr(s3.read(conf.glance_store)), *logs.banner(conf, [s3.SECTION], [])])

    assert "s3.example.net" in text
    assert not any(key in text for key in ("AKIDEXAMPLE", "wJalr"))
