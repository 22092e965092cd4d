"""glance-manage policy: what each rule asks for, and who may do what, and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from glance.context import RequestContext, implied_roles, split_roles
from glance.policies.engine import PolicyEngine
from glance.policies.explain import explain, origin

#: Exit status of check where the policy refuses.
REFUSED = 3

#: Names of what an image belongs to.
_OWNER = ("owner", "project_id", "tenant")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What follows ``policy`` on a command line. Ends the process where it asks for help or cannot be understood."""
    return _parser().parse_args(words)


def run(chosen: argparse.Namespace, policy: PolicyEngine, admin_role: str) -> int:
    """Carries out what ``parse`` has read, and returns the exit status."""
    if chosen.action == "list":
        for name, check in policy.rules.items():
            print(f'"{name}": "{"" if str(check) == "@" else check}"  # {origin(policy, name)}')
        return 0
    return _check(chosen, policy, admin_role)


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
        help="of the image, such as owner, visibility, status, member_id or a property; may be repeated. Unless said its owner is the own project",
    )
    return parser


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError("write KEY=VALUE")
    return key, value


def _check(chosen: argparse.Namespace, policy: PolicyEngine, admin_role: str) -> int:
    ctx = _caller(chosen, policy, admin_role)
    lines = list(explain(policy, chosen.rule, ctx, _target(chosen)))
    allowed = lines[0].holds
    print(f"{chosen.rule} is {'allowed' if allowed else 'refused'} to {_described(ctx)}. What decides:")
    for part in lines:
        print(f"{'  ' * part.depth}{'yes' if part.holds else 'no '}  {part.text}")
    return 0 if allowed else REFUSED


def _caller(chosen: argparse.Namespace, policy: PolicyEngine, admin_role: str) -> RequestContext:
    roles = implied_roles(split_roles(chosen.roles))
    ctx = RequestContext(user=chosen.user, project=chosen.project, roles=roles, service_roles=split_roles(chosen.service_roles))
    return replace(ctx, is_admin=admin_role.lower() in roles or policy.allows("context_is_admin", ctx, {}))


def _target(chosen: argparse.Namespace) -> dict[str, object]:
    """As the service makes it of an image; whoever names the owner once has named it everywhere."""
    stated = dict(chosen.target)
    owner = next((stated[name] for name in _OWNER if name in stated), chosen.project)
    return {"user_id": chosen.user, "visibility": "shared", **dict.fromkeys(_OWNER, owner), **stated}


def _described(ctx: RequestContext) -> str:
    who = f"user {ctx.user}" if ctx.user else "a user"
    return f"{who} of project {ctx.project or '(none)'} with the roles {', '.join(ctx.roles) or '(none)'}"
