"""The memory driver against the suite of all stores."""

import pytest

from glance.store.drivers.memory import MemoryStore
from glance.testing.store_contract import MIB, ListedStoreContract


class TestMemoryStore(ListedStoreContract):
    memory_bound = 72 * MIB  # it keeps what it is given; twice while it joins the chunks

    @pytest.fixture
    def store(self):
        return MemoryStore("memory")
