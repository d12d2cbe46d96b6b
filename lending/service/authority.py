"""What a command's issuer may do, as this process knows the registry: the same for every way in.

What belongs here: putting together who asks and what is suspended for the rules, and which commands
are allowed next. What the rules make of it is said in lending.domain.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from lending.domain.application.allowed import allowed_commands
from lending.domain.application.circumstances import Asking
from lending.domain.application.state import Application
from lending.domain.authority import Principal
from lending.domain.registry import Registry
from lending.domain.suspensions import Suspension
from lending.ledger.canonical import canonical_json
from lending.runtime import limits
from lending.service.judging import foreseen_by
from lending.service.registry import RegistryReader
from lending.service.requests import PrincipalSuspended

FIRST_SHARD: Final = 0
"""The only shard that this version runs: what is opened, listed, claimed or suspended is in it."""


class Authority:
    """What the registries say of who may do what."""

    def __init__(self, registries: Mapping[int, RegistryReader], zone: ZoneInfo) -> None:
        self._registries = registries
        self._zone = zone
        self._texts: OrderedDict[str, tuple[Principal, bytes]] = OrderedDict()

    def asking(self, shard: int, principal: Principal, on_behalf_of: str | None = None) -> Asking:
        """Who asks, and what is suspended, for the rules."""
        return asking_of(self._registries[shard].known.registry, principal, on_behalf_of)

    def allowed(self, shard: int, state: Application, at: datetime, asking: Asking) -> list[str]:
        """The commands by who asks that can cause an event at the instant `at`."""
        return allowed_commands(
            state,
            at.astimezone(self._zone).date(),
            asking,
            lambda judged: foreseen_by(self._registries[shard].known.registry, judged, at),
        )

    def suspension(
        self, principal: Principal, on_behalf_of: str | None = None
    ) -> Suspension | None:
        """The suspension of who asks, if one stands: such a one hears of it and of nothing else."""
        return self.asking(FIRST_SHARD, principal, on_behalf_of).suspension

    def admit(self, principal: Principal, on_behalf_of: str | None = None) -> None:
        """Raise PrincipalSuspended for one who may not even read."""
        suspension = self.suspension(principal, on_behalf_of)
        if suspension is not None:
            raise PrincipalSuspended(suspension.reason)

    def text_of(self, principal: Principal) -> bytes | None:
        """What the principal may do, as it is recorded with what it does; None where nothing is
        enforced for it.
        """
        if principal.unrestricted:
            return None
        known = self._texts.get(principal.name)
        if known is not None and (known[0] is principal or known[0] == principal):
            return known[1]
        text = _text_of(principal)
        self._texts[principal.name] = principal, text
        self._texts.move_to_end(principal.name)
        if len(self._texts) > limits.AUTHORITIES_MAX:
            self._texts.popitem(last=False)
        return text


def asking_of(registry: Registry, principal: Principal, on_behalf_of: str | None = None) -> Asking:
    """Who asks, and what a registry says is suspended."""
    return Asking(
        principal=principal,
        on_behalf_of=on_behalf_of,
        suspended=registry.suspensions,
        registered=registry.identities.principals.values(),
    )


def _text_of(principal: Principal) -> bytes:
    return canonical_json(
        {
            "credential": principal.credential,
            "limits": {currency: f"{most:f}" for currency, most in principal.limits.items()},
            "roles": sorted(role.value for role in principal.roles),
        }
    )
