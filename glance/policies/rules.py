"""The table of policy rules: every action that an operator can allow or refuse, and who may do it by default (spec-v1 6.6)."""

from __future__ import annotations

from dataclasses import dataclass

#: What decides where neither the operator's file nor a default of its own does.
DEFAULT_RULE = "default"


@dataclass(frozen=True, slots=True)
class Rule:
    """``check`` is written in the language of oslo.policy; "" allows everybody. None leaves the decision to the rule ``default``."""

    name: str
    doc: str
    check: str | None = None


RULES: tuple[Rule, ...] = (
    Rule("default", "Decides for every rule below that has no default of its own.", ""),
    Rule("context_is_admin", "Be an administrator, in pipelines that read identity headers.", "role:admin"),
    Rule("add_image", "Create an image."),
    Rule("get_image", "See one image's metadata."),
    Rule("get_images", "List images."),
    Rule("modify_image", "Change an image's metadata."),
    Rule("delete_image", "Delete an image."),
    Rule("publicize_image", "Make an image public.", "role:admin"),
    Rule("communitize_image", "Make an image visible to whoever knows of it."),
    Rule("deactivate", "Close an image's data to readers."),
    Rule("reactivate", "Open it to them again."),
    Rule("download_image", "Read an image's data."),
    Rule("download_from_store", "Choose which stores an image's data are read from first."),
    Rule("upload_image", "Store an image's data."),
    Rule("copy_from", "Let the service copy image data from a URL."),
    Rule("set_image_location", "Register a URL as an image's data."),
    Rule("get_image_location", "See where an image's data is, as far as the service shows that."),
    Rule("delete_image_location", "Remove one of several locations of an image.", "role:admin"),
    Rule("add_image_location", "Register a URL as the data of a queued image, to be hashed."),
    Rule("fetch_image_location", "See where an image's data is, whatever the service shows to others.", "role:service or role:admin"),
    Rule("stores_info_detail", "See how the stores are set up that clients choose from.", "role:service or role:admin"),
    Rule("get_members", "See who an image is shared with."),
    Rule("get_member", "See what one project thinks of a shared image."),
    Rule("add_member", "Share an image with one more project."),
    Rule("modify_member", "Share an image, or accept or reject one."),
    Rule("delete_member", "End the sharing of an image."),
)


def defaults(default_rule: str = DEFAULT_RULE) -> dict[str, str]:
    """The checks that hold without any file; every other rule is decided by ``default_rule``."""
    return {default_rule: "", **{rule.name: rule.check for rule in RULES if rule.check is not None}}
