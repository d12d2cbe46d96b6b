"""Who may do what: principals, their roles, and the one table of what each role may issue and read.

The table is data: HTTP, tools for models, the documentation and the tests are derived from it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from lending.domain.application import commands as c
from lending.domain.servicing.commands import SERVICING_COMMANDS, Redisclose


class PrincipalKind(StrEnum):
    """What acts: software, a person, or a part of the lender's own systems."""

    AGENT = "agent"
    HUMAN = "human"
    SYSTEM = "system"


class Role(StrEnum):
    """What a principal is there for. A principal may have several."""

    INTAKE = "intake"
    CONTEXT = "context"
    RISK = "risk"
    UNDERWRITER = "underwriter"
    SERVICING = "servicing"
    AUDITOR = "auditor"
    ANALYST = "analyst"
    ADMIN = "admin"
    IMPORTER = "importer"


class Permission(StrEnum):
    """What may be done besides issuing commands."""

    READ_APPLICATIONS = "read_applications"
    READ_EVENTS = "read_events"
    READ_REFUSALS = "read_refusals"
    READ_OPERATIONS = "read_operations"
    DO_WORK = "do_work"
    BACKDATE = "backdate"
    MANAGE_WEBHOOKS = "manage_webhooks"
    SUSPEND = "suspend"
    PUBLISH_PRODUCTS = "publish_products"
    PUBLISH_POLICIES = "publish_policies"
    REGISTER_MODELS = "register_models"
    BACKTEST = "backtest"
    LOOK_AFTER_PERSONS = "look_after_persons"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: what is known of it, and what it may do.

    `limits` are the largest amounts it may approve, by currency; a currency that is not named it
    may not approve at all. `acts_for` are those on whose behalf it may act, `*` for anybody.
    `credential` names what it proved itself with, never the secret. `unrestricted` is who asks a
    ledger without authentication: nothing that depends on who asks is enforced for it.
    """

    name: str
    kind: PrincipalKind
    roles: frozenset[Role]
    limits: Mapping[str, Decimal] = field(default_factory=dict)
    acts_for: frozenset[str] = frozenset()
    credential: str | None = None
    unrestricted: bool = False

    def may_issue(self, command: type[c.Command]) -> bool:
        """Whether one of its roles may issue this command."""
        return self.unrestricted or any(command in MAY_ISSUE[role] for role in self.roles)

    def may(self, permission: Permission) -> bool:
        """Whether one of its roles has this permission."""
        return self.unrestricted or any(permission in MAY[role] for role in self.roles)

    def may_act_for(self, name: str) -> bool:
        """Whether it may act on behalf of `name`."""
        return self.unrestricted or "*" in self.acts_for or name in self.acts_for


LOCAL: Final = Principal(
    name="local", kind=PrincipalKind.SYSTEM, roles=frozenset(Role), unrestricted=True
)
"""Who asks a ledger without authentication: whoever can reach the loopback address."""


def _of(*kinds: Iterable[type[c.Command]]) -> frozenset[type[c.Command]]:
    return frozenset(kind for group in kinds for kind in group)


_FILE: Final = (c.AddNote,)
_APPLICANT: Final = (
    c.Apply, c.Amend, c.SupplyInformation, c.Withdraw, c.ReturnOffer, c.AcceptOffer, c.RefuseOffer,
)  # fmt: skip
_KNOWING: Final = (c.AttachContext, c.RequestInformation, c.SupplyInformation)
_JUDGING: Final = (
    c.Decide, c.Override, c.RequestInformation, c.RecordNotice, c.Hold, c.Release, c.CloseUnfunded,
    c.Withdraw, c.MakeOffer, c.WithdrawOffer, c.ExpireOffer, Redisclose,
)  # fmt: skip
_PAYING: Final = (
    c.Disburse, c.ReturnOffer, c.WithdrawOffer, c.ExpireOffer, c.RecordNotice, c.Hold, c.Release,
    c.CloseUnfunded, *SERVICING_COMMANDS,
)  # fmt: skip

MAY_ISSUE: Final[Mapping[Role, frozenset[type[c.Command]]]] = MappingProxyType(
    {
        Role.INTAKE: _of(_APPLICANT, _FILE),
        Role.CONTEXT: _of(_KNOWING, _FILE),
        Role.RISK: _of((c.Score,), _FILE),
        Role.UNDERWRITER: _of(_JUDGING, _FILE),
        Role.SERVICING: _of(_PAYING, _FILE),
        Role.AUDITOR: frozenset(),
        Role.ANALYST: frozenset(),
        Role.ADMIN: frozenset(),
        Role.IMPORTER: frozenset(c.COMMANDS) - {c.Override},
    }
)
"""Which commands each role may issue."""

_P = Permission
_AGENT: Final = frozenset({_P.READ_APPLICATIONS, _P.READ_EVENTS, _P.READ_OPERATIONS, _P.DO_WORK})

MAY: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.INTAKE: _AGENT,
        Role.CONTEXT: _AGENT,
        Role.RISK: _AGENT,
        Role.UNDERWRITER: _AGENT,
        Role.SERVICING: _AGENT | {_P.BACKDATE},
        Role.AUDITOR: frozenset(
            {_P.READ_APPLICATIONS, _P.READ_EVENTS, _P.READ_REFUSALS, _P.READ_OPERATIONS}
        ),
        Role.ANALYST: frozenset({_P.READ_APPLICATIONS, _P.READ_OPERATIONS, _P.BACKTEST}),
        Role.ADMIN: frozenset(
            {
                _P.READ_OPERATIONS,
                _P.READ_REFUSALS,
                _P.MANAGE_WEBHOOKS,
                _P.SUSPEND,
                _P.PUBLISH_PRODUCTS,
                _P.PUBLISH_POLICIES,
                _P.REGISTER_MODELS,
                _P.BACKTEST,
                _P.LOOK_AFTER_PERSONS,
            }
        ),
        Role.IMPORTER: frozenset({_P.READ_APPLICATIONS, _P.READ_OPERATIONS, _P.BACKDATE}),
    }
)
"""What each role may do besides."""
