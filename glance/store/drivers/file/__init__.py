"""Image data as files in directories: local disks, and shares such as NFS that are mounted."""

from glance.store.drivers.file.blob import FileBlob
from glance.store.drivers.file.settings import DataDirectory, FileStoreSettings
from glance.store.drivers.file.store import FileStore

__all__ = ["DataDirectory", "FileBlob", "FileStore", "FileStoreSettings"]
