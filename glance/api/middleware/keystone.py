"""The token filter: keystone says who the caller is, by way of keystonemiddleware (extra ``keystone``)."""

from __future__ import annotations

import logging
import re
from typing import Any

import webob
import webob.exc
from keystoneauth1.exceptions import ClientException, ConnectFailure, DiscoveryFailure, RequestTimeout
from keystonemiddleware import auth_token

from glance import errors
from glance.api.errors import respond

LOG = logging.getLogger(__name__)

#: What any kind of token looks like. Whatever else a client sends is not worth a question to keystone, which cannot even receive some of it.
_TOKEN = re.compile(r"[\x21-\x7e]{1,2048}")

#: What keystonemiddleware takes for an outage; with delay_auth_decision it goes on as if the token were wrong.
_OUTAGES = (ConnectFailure, DiscoveryFailure, RequestTimeout, auth_token.ServiceError)


class TokenFilter(auth_token.AuthProtocol):
    """Takes the identity headers of the client away and sets those that its token stands for (spec-v1 6.5, spec-v2 7.1).

    Beyond the library: whenever keystone cannot be asked the answer is 503, also with delay_auth_decision, under which a client would be told that
    its good token is bad; and a token that is not scoped to a project is refused, since an administrator of a domain is none here (spec-v2 0.4).
    """

    def process_request(self, request: Any) -> webob.Response | None:
        """The answer to a request that goes no further, None where it does."""
        answer: webob.Response | None = super().process_request(request)
        if answer is None and request.user_token_valid and not request.headers.get("X-Project-Id"):
            return respond(errors.TokenUnscoped())
        return answer

    def fetch_token(self, token: str, **options: Any) -> Any:
        """What keystone, or the cache, knows about a token. Raises the library's InvalidToken, and the answer where it cannot be known."""
        if not _TOKEN.fullmatch(token):
            raise auth_token.InvalidToken("not a token")
        try:
            return super().fetch_token(token, **options)
        except auth_token.InvalidToken as error:
            if isinstance(error.__context__, _OUTAGES):
                raise respond(errors.IdentityUnavailable()) from error
            raise
        except webob.exc.HTTPServiceUnavailable as error:
            raise respond(errors.IdentityUnavailable()) from error
        except ClientException as error:
            LOG.error("No token can be checked: %s", error)
            raise respond(errors.IdentityUnavailable()) from error
