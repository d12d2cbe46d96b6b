"""Products: publishing a version of a set of terms, and withdrawing it.

Each is an event of the registry. A version that is on record never changes: published again as it is
nothing happens, published otherwise it is refused. What was withdrawn stays on record, for the loans
that were granted under it.
"""

from collections.abc import Sequence
from hashlib import sha256

from lending.domain.product_faults import FAULTS, ProductFault
from lending.domain.products import (
    Product,
    ProductOnRecord,
    ProductPublished,
    Products,
    ProductWithdrawn,
    WithdrawProduct,
    in_digits,
    product_faults,
)
from lending.domain.registry import Registry
from lending.ledger.canonical import canonical_json
from lending.ledger.plain import plain
from lending.runtime import limits
from lending.service.calendars import business_days
from lending.service.registry_writing import Act, Operator, RegistryWriter
from lending.service.requests import RequestFault


class UnknownProduct(RequestFault):
    """No product of this name is offered, or it has no such version."""


class ProductFaulty(RequestFault):
    """The product cannot be meant; `faults` say why."""

    def __init__(self, faults: Sequence[ProductFault]) -> None:
        words = " ".join(f"{one}: {FAULTS[one]}" for one in faults)
        super().__init__(f"the product cannot be meant; {words}")
        self.faults = faults


class VersionTaken(RequestFault):
    """Another product is on record under this name and version. Publish it under a new version."""


class TooManyProducts(RequestFault):
    """As many versions of products are on record as may be."""


class ProductCatalogue:
    """Publishes and withdraws products, in the registry of one shard, and reads them there."""

    def __init__(self, writer: RegistryWriter) -> None:
        self._writer = writer

    async def standing(self) -> Products:
        """The products on record at this moment."""
        return (await self._writer.standing()).products

    async def current(self, name: str) -> ProductOnRecord:
        """The version published last that is not withdrawn. Raises UnknownProduct."""
        found = (await self.standing()).current(name)
        if found is None:
            raise UnknownProduct(f"no product {name} is offered")
        return found

    async def version(self, name: str, version: str) -> ProductOnRecord:
        """This version, withdrawn or not. Raises UnknownProduct."""
        return _found(await self.standing(), name, version)

    async def publish(self, product: Product, operator: Operator) -> Act[ProductOnRecord]:
        """Put a version on record, unless it is already. Raises RequestFault, LaneFault."""
        product = in_digits(product)

        def decide(registry: Registry) -> ProductPublished | None:
            products = registry.products
            known = products.version(product.name, product.version)
            if known is not None:
                if known.product != product:
                    raise VersionTaken(
                        f"{product.name} {product.version} is on record with other terms"
                    )
                return None
            _check(product)
            if len(products.on_record) >= limits.PRODUCT_VERSIONS_MAX:
                raise TooManyProducts(f"at most {limits.PRODUCT_VERSIONS_MAX} versions are kept")
            return ProductPublished(product=product, digest=digest_of(product))

        written = await self._writer.write("publish_product", operator, decide)
        return written.leaves(_found(written.registry.products, product.name, product.version))

    async def withdraw(self, command: WithdrawProduct, operator: Operator) -> Act[ProductOnRecord]:
        """Let no offer be made of a version any more. Raises RequestFault, LaneFault."""

        def decide(registry: Registry) -> ProductWithdrawn | None:
            known = _found(registry.products, command.name, command.version)
            if known.withdrawn:
                return None
            return ProductWithdrawn(
                name=command.name, version=command.version, reason=command.reason
            )

        written = await self._writer.write("withdraw_product", operator, decide)
        return written.leaves(_found(written.registry.products, command.name, command.version))


def digest_of(product: Product) -> str:
    """The SHA-256 of a product's canonical JSON, in hexadecimal."""
    return sha256(canonical_json(plain(product))).hexdigest()


def _found(products: Products, name: str, version: str) -> ProductOnRecord:
    found = products.version(name, version)
    if found is None:
        raise UnknownProduct(f"there is no version {version} of a product {name}")
    return found


def _check(product: Product) -> None:
    """Raise ProductFaulty or UnknownCalendar for what cannot be meant."""
    faults = product_faults(product)
    if faults:
        raise ProductFaulty(faults)
    if product.terms.holidays is not None:
        business_days(product.terms.holidays)
