"""glance-manage policy: what each rule asks for, and who may do what, and why."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from glance import errors
from glance.context import RequestContext, implied_roles, split_roles
from glance.model.image import Image
from glance.policies.engine import PolicyEngine
from glance.policies.explain import explain, origin
from glance.policies.rules import RULES
from glance.service.authorize import ATTRIBUTES, target

#: Exit status of check where the policy refuses.
REFUSED = 3

#: What each rule is about.
_ABOUT = {rule.name: rule.about for rule in RULES}

#: Second names of what a check may name.
_ALIASES = {"project_id": "owner", "tenant": "owner", "image_id": "id", "member": "member_id"}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What follows ``policy`` on a command line. Ends the process where it asks for help or cannot be understood."""
    return _parser().parse_args(words)


def run(chosen: argparse.Namespace, policy: PolicyEngine, admin_role: str, *, owner_is_project: bool) -> int:
    """Carries out what ``parse`` has read, for a service with that configuration, and returns the exit status."""
    if chosen.action == "list":
        for name, check in policy.rules.items():
            print(f'"{name}": "{"" if str(check) == "@" else check}"  # {origin(policy, name)}')
        return 0
    ctx = _caller(chosen, owner_is_project=owner_is_project)
    is_admin = admin_role.lower() in ctx.roles or policy.allows("context_is_admin", ctx, {})
    return _check(chosen, policy, replace(ctx, is_admin=is_admin))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("glance-manage policy", allow_abbrev=False, description="Says what the files of [oslo_policy] mean.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", allow_abbrev=False, help="show every rule, what it asks for, and where that comes from")
    check = actions.add_parser("check", allow_abbrev=False, help="say whether somebody may do something, and what decides")
    check.add_argument("rule", metavar="RULE", help="as list shows it, such as download_image")
    check.add_argument("--user", metavar="ID", help="who asks")
    check.add_argument("--project", metavar="ID", help="the project of whoever asks")
    check.add_argument("--roles", default="member", metavar="ROLE,ROLE", help="admin, manager, member, reader include the next; default: member")
    check.add_argument("--service-roles", default="", metavar="ROLE,ROLE", help="those of a service that passes the request on")
    check.add_argument(
        "--target",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="of the image, such as owner, visibility, status, member_id or a property; may be repeated. Unless said it is the caller's own, shared. "
        "Does not count for get_images, stores_info_detail and context_is_admin, which are about no image",
    )
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError("write KEY=VALUE")
    return key, value


def _check(chosen: argparse.Namespace, policy: PolicyEngine, ctx: RequestContext) -> int:
    """Raises ConfigurationError for a rule that there is not."""
    if not policy.knows(chosen.rule):
        raise errors.ConfigurationError(reason=f"There is no policy rule {chosen.rule}; glance-manage policy list shows all.")
    lines = list(explain(policy, chosen.rule, ctx, _about(chosen, ctx)))
    allowed = lines[0].holds
    print(f"{chosen.rule} is {'allowed' if allowed else 'refused'} to {_described(ctx)}. What decides:")
    for part in lines:
        print(f"{'  ' * part.depth}{'yes' if part.holds else 'no '}  {part.text}")
    return 0 if allowed else REFUSED


def _caller(chosen: argparse.Namespace, *, owner_is_project: bool) -> RequestContext:
    return RequestContext(
        user=chosen.user,
        project=chosen.project,
        roles=implied_roles(split_roles(chosen.roles)),
        service_roles=split_roles(chosen.service_roles),
        owner_is_project=owner_is_project,
    )


def _about(chosen: argparse.Namespace, ctx: RequestContext) -> Mapping[str, object]:
    """What the service asks the rule about. Rules that the table does not have are taken for rules about images."""
    about = _ABOUT.get(chosen.rule, "image")
    if about == "nothing":
        return {}
    if about == "caller":
        return target(ctx)
    stated = {_ALIASES.get(name, name): value for name, value in chosen.target}
    member = stated.pop("member_id", None)
    return target(ctx, _image(ctx, stated), member)


def _image(ctx: RequestContext, stated: Mapping[str, str]) -> Image:
    """An image of these attributes, all as the texts that checks compare; what is no attribute is a custom property."""
    values: dict[str, Any] = {name: value for name, value in stated.items() if name in ATTRIBUTES}
    return Image(**{"id": "", "owner": ctx.owner, **values}, properties={name: value for name, value in stated.items() if name not in ATTRIBUTES})


def _described(ctx: RequestContext) -> str:
    who = f"user {ctx.user}" if ctx.user else "a user"
    return f"{who} of project {ctx.project or '(none)'} with the roles {', '.join(ctx.roles) or '(none)'}"
