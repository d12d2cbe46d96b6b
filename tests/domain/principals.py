"""Principals of every sort, for tests of authority: few names and limits, so that they meet."""

from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from lending.domain.application.circumstances import Asking
from lending.domain.authority import LOCAL, Principal, PrincipalKind, Role
from lending.domain.suspensions import NOTHING_SUSPENDED, Subject, Suspension, Suspensions

NAMES: Final = ("ada", "bert", "cleo")
POLICY_NAMES: Final = ("debt-to-income", "debt-to-income@1", "another")


def principal(
    *roles: Role,
    name: str = "ada",
    kind: PrincipalKind = PrincipalKind.AGENT,
    limit: str | None = None,
    currency: str = "USD",
) -> Principal:
    """A principal with these roles."""
    limits = {} if limit is None else {currency: Decimal(limit)}
    return Principal(name=name, kind=kind, roles=frozenset(roles), limits=limits)


def suspended(*what: tuple[Subject, str | None]) -> Suspensions:
    """What is suspended, each because of "a drill"."""
    return Suspensions(standing=dict.fromkeys(what, Suspension("a drill", 7)))


def by(
    *roles: Role,
    name: str = "ada",
    kind: PrincipalKind = PrincipalKind.AGENT,
    limit: str | None = None,
    on_behalf_of: str | None = None,
    suspensions: Suspensions = NOTHING_SUSPENDED,
    registered: tuple[Principal, ...] = (),
) -> Asking:
    """A principal with these roles asks."""
    return Asking(
        principal=principal(*roles, name=name, kind=kind, limit=limit),
        on_behalf_of=on_behalf_of,
        suspended=suspensions,
        registered=registered,
    )


PRINCIPALS: Final[st.SearchStrategy[Principal]] = st.just(LOCAL) | st.builds(
    Principal,
    name=st.sampled_from(NAMES),
    kind=st.sampled_from(PrincipalKind),
    roles=st.sets(st.sampled_from(Role), max_size=3).map(frozenset),
    limits=st.sampled_from(
        [
            {},
            {"USD": Decimal(0)},
            {"USD": Decimal(9000)},
            {"USD": Decimal(90000)},
            {"JPY": Decimal(1)},
        ]
    ),
)
_SUBJECTS: Final = (
    *((Subject.PRINCIPAL, name) for name in NAMES),
    *((Subject.POLICY, name) for name in POLICY_NAMES),
    (Subject.AUTOMATION, None),
)
SUSPENSIONS: Final[st.SearchStrategy[Suspensions]] = st.just(NOTHING_SUSPENDED) | st.lists(
    st.sampled_from(_SUBJECTS), max_size=2
).map(lambda subjects: suspended(*subjects))
ASKING: Final[st.SearchStrategy[Asking]] = st.builds(
    Asking,
    principal=PRINCIPALS,
    on_behalf_of=st.sampled_from([None, None, *NAMES]),
    suspended=SUSPENSIONS,
    registered=st.lists(PRINCIPALS.filter(lambda one: one is not LOCAL), max_size=3).map(tuple),
)
