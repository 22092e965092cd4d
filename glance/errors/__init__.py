"""Every error that the program raises.

One tree, each class with a ``code``: its name, in kebab case. Nothing here knows HTTP: ``glance.api.errors`` maps codes to statuses, and
``glance.registry.wire`` carries code, message and details between the two services.

::

    GlanceError
     +- Invalid                  the caller sent something that cannot be accepted
     |   +- InvalidValue, InvalidHeader, InvalidParameter, InvalidMember, InvalidImageId
     |   +- FormatMissing, FormatUnknown, FormatMismatch, DataFormatMismatch, ImageUnsafe
     |   +- SourcesConflict, SourceRefused, SourceUnreadable, StoreUnknown, StoreReadOnly
     |   +- ContentTypeUnsupported, ContentEncodingUnsupported, BodyMalformed, ClientDisconnected
     |   +- SizeMismatch, ChecksumMismatch, ImageTooLarge, LocationInvalid
     +- NotAuthenticated
     +- Forbidden
     |   +- TokenUnscoped, PolicyForbids (ImageHidden), ReadOnlyContext, ImageProtected, AttributeForbidden, PropertyProtected
     |   +- OwnerForbidden, StatusForbidden, ImageForbidden, ImageDeleted, ImageDeactivated, ShareForbidden, NotShared, LocationTaken
     +- NotFound
     |   +- ImageNotFound, ImageGone, ImageNotActive, ImageDataMissing, ImageDataDamaged, MemberNotFound, LocationNotFound, TagNotFound
     |   +- MethodUnavailable
     +- Conflict
     |   +- ImageExists, ObjectExists, MemberExists, StatusConflict, NotQueued, SourceSizeMismatch, UploadLost, LocationsChanged, LocationMismatch
     +- LimitExceeded
     |   +- PropertyQuotaExceeded, MemberQuotaExceeded, TagQuotaExceeded, LocationQuotaExceeded, ProjectQuotaExceeded, StreamTooLarge, StorageFull
     |   +- RateLimited
     +- RangeNotSatisfiable
     +- Unavailable
     |   +- StoreUnavailable (UploadLeftBehind), StoreWriteDenied, RegistryUnavailable, DatabaseUnavailable, IdentityUnavailable (LimitsUnavailable)
     +- ConfigurationError       never for a request
         +- ConfigurationMissing, ConfigurationUnsafe, StoreMisconfigured
"""

from __future__ import annotations

from glance.errors.access import *
from glance.errors.configuration import *
from glance.errors.limits import *
from glance.errors.outages import *
from glance.errors.requests import *
from glance.errors.state import *
from glance.errors.tree import *
