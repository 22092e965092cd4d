"""What the service counts about itself, under the names that dashboards know: one row for each family of numbers.

Every label has few values, which callers cannot choose: no image, no user, no path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Family:
    """``counter``: only grows. ``gauge``: rises and falls. ``histogram``: how many values were at most as large as each of ``BOUNDS``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    doc: str
    labels: tuple[str, ...] = ()


#: Key of a request's environ: the template of its path, of the row of a table of routes that answers it. Set by whoever has the table.
ROUTE = "glance.route"

#: Seconds: from an answer out of memory to the upload of a large image. The last bucket takes the rest.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)

REQUESTS = Family("glance_http_requests_total", "counter", "Requests answered, by the route of their path.", ("method", "route", "code"))
SECONDS = Family(
    "glance_http_request_duration_seconds", "histogram", "Time from the head of a request to the end of its answer.", ("method", "route")
)
STORE_BYTES = Family("glance_store_bytes_total", "counter", "Image data that clients brought (in) and took (out).", ("store", "direction"))
STORE_ERRORS = Family("glance_store_errors_total", "counter", "Times that a store did not do what it was asked.", ("store", "op", "reason"))
INTEGRITY_FAILURES = Family("glance_integrity_failures_total", "counter", "Copies of image data found missing or damaged.", ("store",))
LEASES_EXPIRED = Family("glance_lease_expired_total", "counter", "Uploads of dead processes that recovery has ended.")
ORPHANS_ERASED = Family(
    "glance_orphans_erased_total", "counter", "Things in stores that no image needs, and that the sweep erased.", ("store", "kind")
)
CONNECTIONS = Family("glance_db_pool_in_use", "gauge", "Connections to the database that are in use.")
UPLOADS = Family("glance_uploads_in_progress", "gauge", "Uploads on record, of all nodes.")
IMAGES = Family("glance_images", "gauge", "Images that are not deleted.", ("status", "visibility"))
UP = Family("openstack_glance_up", "gauge", "Whether the database answers.")
ALL_IMAGES = Family("openstack_glance_images", "gauge", "Images that are not deleted.")
BUILD = Family("glance_build_info", "gauge", "The release that runs, as a label; always 1.", ("version",))

#: What worker processes count while they work, and can be added up.
COUNTED = (REQUESTS, SECONDS, STORE_BYTES, STORE_ERRORS, INTEGRITY_FAILURES, LEASES_EXPIRED, ORPHANS_ERASED, CONNECTIONS)
