"""The endpoints of products: which are on record, publishing a version, and withdrawing it."""

from typing import Any, Final

from starlette.responses import Response

from lending.api.acts import Operators
from lending.api.answers import Answer, Header
from lending.api.incoming import Incoming
from lending.contract.bodies import Body
from lending.contract.positions import position_text
from lending.contract.rendering import json_bytes
from lending.domain.authority import Permission
from lending.domain.products import Product, ProductOnRecord, WithdrawProduct
from lending.ledger.plain import decimal_text, plain
from lending.service.authority import FIRST_SHARD
from lending.service.products import ProductCatalogue

PRODUCTS: Final = "/products"
PRODUCT: Final = PRODUCTS + "/{name}"
VERSION: Final = PRODUCT + "/versions/{version}"
WITHDRAWAL: Final = VERSION + "/withdrawal"


class ProductEndpoints:
    """The endpoints of products."""

    def __init__(
        self,
        catalogue: ProductCatalogue,
        operators: Operators,
        publishing: Body[Product],
        withdrawing: Body[WithdrawProduct],
    ) -> None:
        self._catalogue = catalogue
        self._operators = operators
        self._publishing = publishing
        self._withdrawing = withdrawing

    async def list(self, request: Incoming) -> Response:
        """Every version on record, in the order of their publication."""
        request.admit(Permission.READ_OPERATIONS)
        known = (await self._catalogue.standing()).on_record.values()
        rows = [_row(one) for one in sorted(known, key=lambda one: one.registry_position)]
        return Answer(json_bytes({"items": rows, "next": None}))

    async def current(self, request: Incoming) -> Response:
        """The version of a product that offers are made of, whole."""
        request.admit(Permission.READ_OPERATIONS)
        return _whole(await self._catalogue.current(request.in_path["name"]))

    async def version(self, request: Incoming) -> Response:
        """One version, whole."""
        request.admit(Permission.READ_OPERATIONS)
        named = request.in_path
        return _whole(await self._catalogue.version(named["name"], named["version"]))

    async def publish(self, request: Incoming) -> Response:
        """Put a version on record: 201 where it was not there yet."""
        request.admit(Permission.PUBLISH_PRODUCTS)
        operator = self._operators.of(request)
        product = self._publishing.read(await request.json_bytes(), {}).said
        done = await self._catalogue.publish(product, operator)
        place = f"{PRODUCTS}/{product.name}/versions/{product.version}"
        marks = request.correlation.mark(())
        made: list[Header] = [(b"location", place.encode("ascii"))] if done.changed else []
        told = {**_row(done.on_record), "changed": done.changed}
        return Answer(json_bytes(told), 201 if done.changed else 200, [*made, *marks])

    async def withdraw(self, request: Incoming) -> Response:
        """Let no offer be made of a version any more."""
        request.admit(Permission.PUBLISH_PRODUCTS)
        operator = self._operators.of(request)
        command = self._withdrawing.read(await request.json_bytes(), request.in_path).said
        done = await self._catalogue.withdraw(command, operator)
        told = {**_row(done.on_record), "changed": done.changed}
        return Answer(json_bytes(told), headers=request.correlation.mark(()))


def _row(one: ProductOnRecord) -> dict[str, Any]:
    product = one.product
    return {
        "name": product.name,
        "version": product.version,
        "digest": one.digest,
        "position": position_text(FIRST_SHARD, one.registry_position),
        "withdrawn": one.withdrawn,
        "currency": product.terms.currency,
        "rate_percent": decimal_text(product.terms.rate_percent),
        "instalments": product.terms.instalments,
    }


def _whole(one: ProductOnRecord) -> Answer:
    return Answer(json_bytes({**_row(one), "product": plain(one.product)}))
