"""Options about images: what is accepted, how much of it, and how the API shows itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg, types

from glance import errors
from glance.api.settings import ApiSettings
from glance.config.sections import Section, also_in_default
from glance.model.formats import CONTAINER_FORMATS, DISK_FORMATS, Formats
from glance.service import Limits

if TYPE_CHECKING:
    from glance.inspector.inspection import InspectorSettings

LIMITS = Section(
    "Limits",
    (
        cfg.IntOpt("image_size_cap", default=1024**4, min=1, max=2**63 - 1, help="Bytes that the data of one image may have."),
        cfg.IntOpt(
            "max_json_body_size",
            default=1024 * 1024,
            min=1024,
            help="Bytes that a JSON document in a request may have; it is held in memory as a whole.",
        ),
        cfg.IntOpt("image_property_quota", default=128, min=-1, help="Custom properties that one image may have; -1 for any number."),
        cfg.IntOpt("image_tag_quota", default=128, min=-1, help="Tags that one image may have; -1 for any number."),
        cfg.IntOpt("image_member_quota", default=128, min=-1, help="Projects that one image may be shared with; -1 for any number."),
    ),
)

DATA = Section(
    "Data",
    (
        cfg.StrOpt(
            "hashing_algorithm",
            default="sha512",
            choices=["", *sorted(hashlib.algorithms_guaranteed - {"shake_128", "shake_256"})],
            help="Algorithm of os_hash_value, which version 2 of the API shows beside the MD5 checksum. Empty: there is only the checksum, which "
            "takes less time, and which other data can be made to have.",
        ),
    ),
)

FORMATS = Section(
    "Formats",
    (
        cfg.ListOpt(
            "disk_formats", default=list(DISK_FORMATS), deprecated_opts=also_in_default("disk_formats"), help="Values accepted for disk_format."
        ),
        cfg.ListOpt(
            "container_formats",
            default=list(CONTAINER_FORMATS),
            deprecated_opts=also_in_default("container_formats"),
            help="Values accepted for container_format.",
        ),
        cfg.BoolOpt(
            "require_image_format_match",
            default=True,
            help="Whether version 2 of the API refuses data of another format than disk_format says. Else the log tells.",
        ),
        cfg.ListOpt(
            "gpt_safety_checks_nonfatal",
            default=[],
            item_type=types.String(choices=["mbr"]),
            help="Safety checks of partition tables that only the log tells about. There is one: mbr, for the partition table of the first sector.",
        ),
    ),
    group="image_format",
)

PAGING = Section(
    "Lists",
    (
        cfg.IntOpt("limit_param_default", default=25, min=1, help="Images in a page of a list when the request names no number."),
        cfg.IntOpt("api_limit_max", default=1000, min=1, help="Most images in a page of a list."),
    ),
)

IDS = Section(
    "Image ids",
    (
        cfg.StrOpt(
            "image_id_format",
            default="uuid",
            choices=[("uuid", "random UUIDs"), ("integer", "numbers counted up from 1, as the service of early 2011 had them")],
            help="Ids of new images. Set it alike in glance-api.conf and glance-registry.conf.",
        ),
    ),
)

API = Section(
    "API",
    (
        cfg.BoolOpt("enable_v1_api", default=True, help="Whether version 1 of the API is served."),
        cfg.BoolOpt("enable_v2_api", default=True, help="Whether version 2 of the API is served."),
        cfg.BoolOpt(
            "enable_versionless_api",
            default=True,
            help="Whether the paths of 2010 without a version, /images and /shared-images, are served. Else they answer 300 with the versions.",
        ),
        cfg.StrOpt("public_endpoint", help="URL that links in the version document start with, behind a proxy. Unless set, as the client called us."),
        cfg.StrOpt(
            "secure_proxy_ssl_header",
            help="Header by which a proxy that ends TLS tells the scheme that the client used, such as HTTP_X_FORWARDED_PROTO. Set it only behind "
            "a proxy that overwrites the header.",
        ),
        cfg.BoolOpt(
            "decode_percent_in_headers",
            default=True,
            help="Whether percent-encoded text in x-image-meta headers is decoded, as clients since 2012 send what is not ASCII.",
        ),
    ),
)


def read_limits(conf: cfg.ConfigOpts) -> Limits:
    """What one caller may ask for."""
    return Limits(
        image_size=conf.image_size_cap,
        properties=conf.image_property_quota,
        members=conf.image_member_quota,
        tags=conf.image_tag_quota,
        locations=conf.image_location_quota,
    )


def read_formats(conf: cfg.ConfigOpts) -> Formats:
    """The formats that are accepted."""
    group = conf.image_format
    return Formats(disk=tuple(group.disk_formats), container=tuple(group.container_formats))


def read_inspector(conf: cfg.ConfigOpts) -> InspectorSettings:
    """How strictly data are looked at."""
    from glance.inspector.inspection import InspectorSettings

    group = conf.image_format
    return InspectorSettings(require_match=group.require_image_format_match, gpt_nonfatal=frozenset(group.gpt_safety_checks_nonfatal))


def read_api(conf: cfg.ConfigOpts, directories: Sequence[Path]) -> ApiSettings:
    """What the front end needs to know; ``directories`` are those of the configuration files. Raises ConfigurationError for a default page longer
    than the longest one, and for a file about custom properties that cannot be used."""
    from glance.config import custom_properties

    if conf.limit_param_default > conf.api_limit_max:
        raise errors.ConfigurationError(reason="limit_param_default is greater than api_limit_max.")
    return ApiSettings(
        public_endpoint=conf.public_endpoint,
        versionless_api=conf.enable_versionless_api,
        enable_v1_api=conf.enable_v1_api,
        enable_v2_api=conf.enable_v2_api,
        default_limit=conf.limit_param_default,
        max_limit=conf.api_limit_max,
        integer_ids=conf.image_id_format == "integer",
        decode_percent=conf.decode_percent_in_headers,
        admin_role=conf.admin_role,
        owner_is_project=conf.owner_is_tenant,
        allow_anonymous_access=conf.allow_anonymous_access,
        max_request_id_length=conf.max_request_id_length,
        max_json_body_size=conf.max_json_body_size,
        secure_proxy_ssl_header=conf.secure_proxy_ssl_header,
        custom_properties=custom_properties.read(directories),
        show_direct_url=conf.show_image_direct_url,
        show_locations=conf.show_multiple_locations,
    )
