"""What lies in the bucket of a store, and erasing what should not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from glance.model.stores import GIVEN_ID, Found
from glance.store.drivers.s3.endpoint import Refusal, status_of

_DATA = re.compile(GIVEN_ID)
#: What stands between the key of an upload in parts and its id.
_UPLOAD = "?uploadId="
#: A list tells times to the millisecond, an answer about one object to the second; some servers round up.
_SAME = timedelta(seconds=1)


class Bucket:
    """A bucket as ``client`` reaches it; ``url`` is what the locations of objects in it begin with. What its methods raise is boto's."""

    def __init__(self, client: Any, name: str, url: str) -> None:
        self._client = client
        self._name = name
        self._url = url

    def objects(self) -> Iterator[Found]:
        """Those that are complete."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name):
            for entry in page.get("Contents", ()):
                key, size, modified = entry["Key"], entry["Size"], _utc(entry["LastModified"])
                if _DATA.fullmatch(key):
                    yield Found(key, "data", key, self._url + key, size, modified)
                else:
                    yield Found(key, "foreign", size=size, modified=modified)

    def uploads(self) -> Iterator[Found]:
        """Uploads in parts that have not ended; they change with each part."""
        for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._name):
            for upload in page.get("Uploads", ()):
                key, begun = upload["Key"], _utc(upload["Initiated"])
                name = f"{key}{_UPLOAD}{upload['UploadId']}"
                if not _DATA.fullmatch(key):
                    yield Found(name, "foreign", modified=begun)
                    continue
                with _unless_gone():
                    size, newest = self._parts(key, upload["UploadId"])
                    yield Found(name, "partial", key, size=size, modified=max(begun, newest or begun))

    def now(self) -> datetime:
        """The time by the server."""
        answer = self._client.head_bucket(Bucket=self._name)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)

    def remove(self, found: Found) -> bool:
        """Erases what is still as it was found; False for anything else."""
        key, _, upload_id = found.name.partition(_UPLOAD)
        with _unless_gone():
            if not upload_id and self._is_same_object(key, found):
                self._client.delete_object(Bucket=self._name, Key=key)
                return True
            if upload_id and self._parts(key, upload_id)[0] == found.size:
                self._client.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload_id)
                return True
        return False

    def _is_same_object(self, key: str, found: Found) -> bool:
        answer = self._client.head_object(Bucket=self._name, Key=key)
        return found.modified is not None and answer["ContentLength"] == found.size and abs(_utc(answer["LastModified"]) - found.modified) <= _SAME

    def _parts(self, key: str, upload_id: str) -> tuple[int, datetime | None]:
        """The bytes that have come of an upload, and when the last of them did."""
        size, newest = 0, None
        for page in self._client.get_paginator("list_parts").paginate(Bucket=self._name, Key=key, UploadId=upload_id):
            for part in page.get("Parts", ()):
                came = _utc(part["LastModified"])
                size, newest = size + part["Size"], max(came, newest or came)
        return size, newest


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Nothing more is done about what is not there any more."""
    try:
        yield
    except Refusal as error:
        if status_of(error) != 404:
            raise


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)
