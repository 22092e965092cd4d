"""Paths and the templates that they fit."""

from __future__ import annotations

import pytest

from glance.router import Router

ROUTER: Router[int] = Router(
    {
        "/": {"GET": 1},
        "/images/{image_id}": {"GET": 2, "DELETE": 3},
        "/images/detail": {"GET": 4},
        "/images/{image_id}/members/{member}": {"PUT": 5},
        "/stores/{store}/v1.0/{image_id}": {"GET": 6},
    },
    {"member": r".+"},
)


@pytest.mark.parametrize(
    ("path", "template", "arguments"),
    [
        ("/", "/", {}),
        ("/images/detail", "/images/detail", {}),
        ("/images/details", "/images/{image_id}", {"image_id": "details"}),
        ("/images/\u6771 .", "/images/{image_id}", {"image_id": "\u6771 ."}),
        ("/images/a/members/b/c", "/images/{image_id}/members/{member}", {"image_id": "a", "member": "b/c"}),
        ("/stores/a/v1.0/b", "/stores/{store}/v1.0/{image_id}", {"store": "a", "image_id": "b"}),
    ],
)
def test_path_when_it_fits_a_template_then_its_row_is_found(path: str, template: str, arguments: dict[str, str]) -> None:
    route = ROUTER.find(path)
    assert route is not None
    assert (route.template, route.arguments) == (template, arguments)


def test_row_then_it_has_every_method_of_its_path() -> None:
    route = ROUTER.find("/images/a")
    assert route is not None
    assert route.handlers == {"GET": 2, "DELETE": 3}


@pytest.mark.parametrize("path", ["", "//", "images/a", "/images", "/images/", "/images/a/", "/images//members/b", "/images/a/b", "/stores/a/v1x0/b"])
def test_path_when_it_fits_no_template_then_nothing_is_found(path: str) -> None:
    assert ROUTER.find(path) is None
