"""Where events go: the implementations of ``glance.interfaces.Notifier``."""
