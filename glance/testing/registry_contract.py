"""The suite that every registry passes. A registry's test class inherits it and supplies two fixtures::

class TestSqlRegistry(RegistryContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def registry(self, clock: Clock) -> Registry: ...

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance
"""

from __future__ import annotations

from glance.testing.registry_rules.audits import AuditRules
from glance.testing.registry_rules.deletes import DeleteRules
from glance.testing.registry_rules.duties import DutyRules
from glance.testing.registry_rules.failures import FailureRules
from glance.testing.registry_rules.images import ImageRules
from glance.testing.registry_rules.lists import ListRules
from glance.testing.registry_rules.locations import LocationRules
from glance.testing.registry_rules.members import MemberRules
from glance.testing.registry_rules.restores import RestoreRules
from glance.testing.registry_rules.scene import Advance, Clock
from glance.testing.registry_rules.standings import StandingRules
from glance.testing.registry_rules.texts import SpaceRules, TextRules
from glance.testing.registry_rules.uploads import UploadRules
from glance.testing.registry_rules.visibility import VisibilityRules, VisibleListRules

__all__ = ["Advance", "Clock", "RegistryContract"]


class RegistryContract(
    ImageRules,
    TextRules,
    SpaceRules,
    ListRules,
    VisibilityRules,
    VisibleListRules,
    DeleteRules,
    RestoreRules,
    UploadRules,
    FailureRules,
    LocationRules,
    StandingRules,
    MemberRules,
    DutyRules,
    AuditRules,
):
    """Every rule of ``glance.interfaces.Registry``."""
