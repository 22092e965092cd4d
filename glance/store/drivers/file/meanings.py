"""What errors of the system mean."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from glance import errors

Meanings = Mapping[int, type[errors.GlanceError]]

#: Where something is written.
WRITING: Meanings = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), errors.StorageFull),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), errors.StoreWriteDenied),
}
READING: Meanings = {}
