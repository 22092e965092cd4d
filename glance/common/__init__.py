"""The import path under which clients of 2011 find their errors: ``glance.common.exception``."""
