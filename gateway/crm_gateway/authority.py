"""Who may administer whom."""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import wraps
from typing import Any, ParamSpec

from crm_chassis.auth import SCOPES, Principal, current_principal, forbidden
from crm_chassis.problems import Problem
from crm_chassis.web import writes
from crm_gateway.roles.models import Grants

P = ParamSpec("P")


def administers(
    permission: str, act: str, keeps: Container[str] = (), *, if_match: bool = False
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """A view that changes identities: like ``writes``, for a permission granted for ``all``."""

    def decorate(view: Callable[P, Any]) -> Callable[P, Any]:
        @writes(permission, act=act, keeps=keeps, if_match=if_match)
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
            require_everywhere(current_principal(), permission)
            return view(*args, **kwargs)

        return wrapper

    return decorate


def require_everywhere(principal: Principal, permission: str) -> None:
    """:raises Problem: 403 unless the permission is granted for everything there is."""
    if principal.scope_of(permission) != "all":
        raise forbidden(f"{permission} for all records")


def require_no_more(principal: Principal, grants: Grants) -> None:
    """Nobody hands out more than they have, nor changes somebody who may do more than they.

    :raises Problem: 403 naming the first permission in ``grants`` that ``principal`` lacks, or
        has in a narrower scope.
    """
    for permission, scope in sorted(grants.items()):
        own = principal.scope_of(permission)
        if own is None or SCOPES.index(own) < SCOPES.index(scope):
            raise Problem(
                403, "beyond-own-rights", f"You do not have {permission} for {scope} yourself."
            )
