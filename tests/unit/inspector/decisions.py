"""What becomes of a stream, in one value."""

from __future__ import annotations

from collections.abc import Iterable

from glance import errors
from glance.inspector.inspection import FormatInspector, InspectorSettings
from glance.model.image import Image

STRICT = InspectorSettings()

#: The code of the error that refuses a stream, or the virtual size of one that is accepted.
Outcome = str | int | None


def decide(
    chunks: Iterable[bytes], declared: str | None, container: str | None = "bare", *, must_match: bool = True, settings: InspectorSettings = STRICT
) -> Outcome:
    image = Image(id="one", disk_format=declared, container_format=container)
    inspection = FormatInspector(settings).inspection(image, must_match=must_match)
    try:
        for chunk in chunks:
            inspection.update(chunk)
        inspection.finish()
    except (errors.DataFormatMismatch, errors.ImageUnsafe) as error:
        return error.code
    finally:
        inspection.close()
    return inspection.virtual_size
