"""Options of later releases that this one does not have yet: ignored like any unknown option, but not in silence, since data depends on them."""

from __future__ import annotations

from collections.abc import Iterator

from oslo_config import cfg

#: What an operator who has set the option must know.
CONSEQUENCES = {
    "metadata_encryption_key": "locations of image data are stored as plain text",
}


def register(conf: cfg.ConfigOpts) -> None:
    """Declares them as plain text, so that it can be seen whether they are set."""
    conf.register_opts([cfg.StrOpt(name, secret=name.endswith("_key")) for name in CONSEQUENCES])


def warnings(conf: cfg.ConfigOpts) -> Iterator[str]:
    """A sentence for each one that is switched on."""
    for name, consequence in CONSEQUENCES.items():
        if str(conf[name] or "0").lower() not in {"0", "false", "no", "off"}:
            yield f"The option {name} is set, but this release does not have it: {consequence}."
