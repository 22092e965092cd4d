"""The table of policy rules: every action that an operator can allow or refuse, and who may do it by default (spec-v1 6.6, spec-v2 7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What decides where neither the operator's file nor this table does.
DEFAULT_RULE = "default"

_ADMIN = "is_admin:True"
# ``owner`` is the project of the caller, or of the image; the user's where images belong to users. So the checks hold in both cases.
_OWN = "owner:%(owner)s"
_MEMBER = f"{_ADMIN} or (role:member and {_OWN})"
_READER = f"{_ADMIN} or (role:reader and {_OWN})"
#: An image without owner, of the days before projects, is seen by all projects.
_SEEN = f"({_OWN} or None:%(owner)s or 'public':%(visibility)s or 'community':%(visibility)s or 'shared':%(visibility)s)"
#: Whom nobody knows, where the operator lets such callers read at all; they see public images only, and change nothing.
_ANONYMOUS = "read_only:True"


@dataclass(frozen=True, slots=True)
class Rule:
    """``check`` is written in the language of oslo.policy; "" allows everybody. Where ``classic``, releases before 2021 had no check, so that the
    rule ``default`` decided; it still does with ``enforce_new_defaults = False``. ``about`` is what checks may name when the service asks: an image,
    the caller only, or nothing."""

    name: str
    doc: str
    check: str
    classic: bool = False
    about: Literal["image", "caller", "nothing"] = "image"


RULES: tuple[Rule, ...] = (
    Rule("default", "Decides for every rule that is neither below nor in the operator's file.", ""),
    Rule("context_is_admin", "Be an administrator, in pipelines that read identity headers.", "role:admin", about="nothing"),
    Rule("service_api", "Be another service, or an administrator.", f"{_ADMIN} or role:service"),
    Rule("add_image", "Create an image.", _MEMBER, classic=True),
    Rule("get_image", "See one image's metadata.", f"{_ADMIN} or {_ANONYMOUS} or (role:reader and {_SEEN})", classic=True),
    Rule("get_images", "List images.", f"{_ADMIN} or {_ANONYMOUS} or (role:reader and {_OWN})", classic=True, about="caller"),
    Rule("modify_image", "Change an image's metadata.", _MEMBER, classic=True),
    Rule("delete_image", "Delete an image.", _MEMBER, classic=True),
    Rule("publicize_image", "Make an image public.", _ADMIN),
    Rule("communitize_image", "Make an image visible to whoever knows of it.", _MEMBER, classic=True),
    Rule("deactivate", "Close an image's data to readers.", _MEMBER, classic=True),
    Rule("reactivate", "Open it to them again.", _MEMBER, classic=True),
    Rule("download_image", "Read an image's data.", f"{_ADMIN} or {_ANONYMOUS} or (role:member and {_SEEN})", classic=True),
    Rule(
        "download_from_store",
        "Choose which stores an image's data are read from first.",
        f"{_ADMIN} or {_ANONYMOUS} or (role:member and {_SEEN})",
        classic=True,
    ),
    Rule("upload_image", "Store an image's data.", _MEMBER, classic=True),
    Rule("copy_from", "Let the service copy image data from a URL.", _MEMBER, classic=True),
    Rule("set_image_location", "Register a URL as an image's data.", _MEMBER, classic=True),
    Rule("get_image_location", "See where an image's data is, as far as the service shows that.", _READER, classic=True),
    Rule("delete_image_location", "Remove one of several locations of an image.", _ADMIN),
    Rule(
        "add_image_location",
        "Register a URL as the data of a queued image, to be hashed.",
        f"rule:service_api or (role:member and {_OWN})",
        classic=True,
    ),
    Rule("fetch_image_location", "See where an image's data is, whatever the service shows to others.", "rule:service_api"),
    Rule("stores_info_detail", "See how the stores are set up that clients choose from.", "rule:service_api", about="caller"),
    Rule("get_members", "See who an image is shared with.", f"{_ADMIN} or (role:reader and ({_OWN} or owner:%(member_id)s))", classic=True),
    Rule(
        "get_member",
        "See what one project thinks of a shared image.",
        f"{_ADMIN} or (role:reader and ({_OWN} or owner:%(member_id)s))",
        classic=True,
    ),
    Rule("add_member", "Share an image with one more project.", _MEMBER, classic=True),
    Rule(
        "modify_member",
        "Accept or reject an image that is shared with the own project; in version 1 share an image.",
        f"{_ADMIN} or (role:member and owner:%(member_id)s)",
        classic=True,
    ),
    Rule("delete_member", "End the sharing of an image.", _MEMBER, classic=True),
)


def defaults(default_rule: str = DEFAULT_RULE, *, classic: bool = False) -> dict[str, str]:
    """The checks that hold without any file; every other rule is decided by ``default_rule``. ``classic``: those of before 2021."""
    return {default_rule: "", **{rule.name: f"rule:{default_rule}" if classic and rule.classic else rule.check for rule in RULES}}
