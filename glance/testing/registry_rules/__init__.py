"""The rules of ``glance.interfaces.Registry`` as tests, a module for each part; ``glance.testing.registry_contract`` joins them."""
