"""Options about locations: who learns where image data is, and how data that stay where they are get their digests."""

from __future__ import annotations

from oslo_config import cfg

from glance.config.sections import Section

#: Options that show locations to whoever sees an image.
SHOWING = ("show_image_direct_url", "show_multiple_locations")

LOCATIONS = Section(
    "Locations",
    (
        cfg.BoolOpt(
            "show_image_direct_url",
            default=False,
            help="Whether version 2 of the API shows in direct_url where an image's data is, to whoever sees the image. For consumers that clone "
            "data in the back end, behind an API that no one else reaches.",
        ),
        cfg.BoolOpt(
            "show_multiple_locations",
            default=False,
            help="Whether version 2 of the API shows all locations of an image and lets its owner add more. As dangerous as show_image_direct_url; "
            "and a consumer that does not compare hashes trusts the owner with every later location.",
        ),
        cfg.IntOpt("image_location_quota", default=10, min=-1, help="Locations that one image may have; -1 for any number."),
        cfg.BoolOpt(
            "do_secure_hash",
            default=True,
            help="Whether data that are registered with POST /v2/images/{id}/locations are read and hashed. Otherwise an image has the hash that the "
            "caller states, or none.",
        ),
        cfg.IntOpt("http_retries", default=3, min=0, help="How often data that cannot be read for hashing are asked for again."),
    ),
)


def shown(conf: cfg.ConfigOpts) -> list[str]:
    """Those options that show locations, and are on."""
    return [name for name in SHOWING if conf[name]]
