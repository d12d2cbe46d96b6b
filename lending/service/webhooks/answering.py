"""Whether what is sent may be: somebody answers for every webhook, and must be able to.

What is asked of the registry is asked before each attempt, so it is kept in memory, as fresh as what
revokes keys.
"""

from lending.domain.authority import LOCAL, Permission
from lending.service.principals import TOKEN_PREFIX
from lending.service.registry_watch import RegistryWatch
from lending.service.webhooks.model import Withheld


class Answering:
    """Says of who answers for a webhook whether it may be told of events."""

    def __init__(self, watch: RegistryWatch, *, authenticated: bool) -> None:
        """`authenticated` says whether this ledger asks everybody who they are."""
        self._watch = watch
        self._authenticated = authenticated

    def withheld(self, name: str) -> Withheld | None:
        """Why nothing is sent on the answer of this principal; None where it may be.

        The roles of who comes with a token are in the token: such a one can only be suspended.
        """
        if not self._watch.fresh:
            return Withheld.NOT_KNOWN
        registry = self._watch.registry
        if registry.suspensions.of_principals((name,)) is not None:
            return Withheld.PRINCIPAL_SUSPENDED
        if name == LOCAL.name:
            return Withheld.NOT_PERMITTED if self._authenticated else None
        if name.startswith(TOKEN_PREFIX):
            return None
        registered = registry.identities.principals.get(name)
        if registered is None or not registered.may(Permission.READ_EVENTS):
            return Withheld.NOT_PERMITTED
        return None
