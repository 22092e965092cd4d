"""Packaging: programs, paste factories and store drivers are found through these entry points."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """The one version number, without importing the package."""
    return re.search(r'__version__ = "([^"]+)"', (ROOT / "glance/__init__.py").read_text()).group(1)


def requirements() -> list[str]:
    """The lines of requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="glance",
    version=version(),
    description="An image service for virtual machines, compatible with OpenStack Glance",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["glance", "glance.*"]),
    package_data={"glance": ["py.typed", "db/migrations/*.mako", "config/etc/*"]},
    install_requires=requirements(),
    extras_require={
        "keystone": ["keystoneauth1>=5.6", "keystonemiddleware>=13.0", "python-memcached>=1.62"],
        "messaging": ["oslo.messaging>=18.3"],
        "mysql": ["PyMySQL>=1.1"],
        "postgresql": ["psycopg[binary]>=3.2"],
        "rate-limits": ["limits>=5.0", "pymemcache>=4.0"],
        "s3": ["boto3>=1.36"],
        "swift": ["keystoneauth1>=5.6", "python-swiftclient>=4.6"],
    },
    entry_points={
        "console_scripts": [
            "glance-api = glance.cmd.api:main",
            "glance-registry = glance.cmd.registry:main",
            "glance-control = glance.cmd.control:main",
            "glance-manage = glance.cmd.manage:main",
            "glance-scrubber = glance.cmd.scrubber:main",
        ],
        "glance.store.drivers": [
            "file = glance.store.drivers.file:FileStore",
            "http = glance.store.drivers.http:HttpStore",
            "memory = glance.store.drivers.memory:MemoryStore",
            "s3 = glance.store.drivers.s3.store:S3Store",
            "swift = glance.store.drivers.swift.store:SwiftStore",
        ],
    },
)
