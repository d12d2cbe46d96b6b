"""The routes of products, and how the OpenAPI document describes them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lending.api import openapi
from lending.api.acts import Operators
from lending.api.answer_schemas import DECIMAL, POSITION, TEXT, WHOLE, page, record, reference
from lending.api.products import PRODUCT, PRODUCTS, VERSION, WITHDRAWAL, ProductEndpoints
from lending.api.routing import Endpoint
from lending.contract.bodies import Body
from lending.domain.products import Product, WithdrawProduct
from lending.service.products import ProductCatalogue

_PUBLISH: Final = Body(Product)
_WITHDRAW: Final = Body(WithdrawProduct, ("name", "version"))
BODIES: Final[Mapping[str, Body[Any]]] = MappingProxyType(
    {PRODUCTS: _PUBLISH, WITHDRAWAL: _WITHDRAW}
)
"""The bodies that these routes take, by path."""

EXAMPLE: Final[Mapping[str, object]] = MappingProxyType(
    {
        "name": "personal-loan",
        "version": "2026-10",
        "terms": {
            "currency": "USD",
            "rate_percent": "9.90",
            "instalments": 36,
            "origination_fee": {"percent": "1.5"},
            "late_fee": {"amount": "15.00"},
        },
        "amount_min": "1000.00",
        "amount_max": "50000.00",
        "instalments_min": 12,
        "instalments_max": 60,
        "rate_percent_min": "5.90",
        "rate_percent_max": "19.90",
    }
)
"""A product as it is published, for the documentation."""

_ALL: Final = openapi.OF_AUTHORITY
_OF_ONE: Final = (404, *_ALL)
_NAME, _VERSION = openapi.path_parameters(_WITHDRAW, "The product's")
_LOCATION: Final = {"Location": {"description": "The version.", "schema": dict(TEXT)}}


def routes(
    catalogue: ProductCatalogue, operators: Operators
) -> Iterator[tuple[str, str, Endpoint, dict[str, Any]]]:
    """Method, path, endpoint and operation of each route."""
    to = ProductEndpoints(catalogue, operators, _PUBLISH, _WITHDRAW)
    yield "GET", PRODUCTS, to.list, openapi.reading(
        "list_products", "Every version of every product", page("ProductRow"),
        tag="products", statuses=_ALL,
    )  # fmt: skip
    yield "GET", PRODUCT, to.current, openapi.reading(
        "read_product", "The version that offers are made of", reference("ProductOnRecord"),
        tag="products", parameters=[_NAME], statuses=_OF_ONE,
    )  # fmt: skip
    yield "GET", VERSION, to.version, openapi.reading(
        "read_product_version", "One version, withdrawn or not", reference("ProductOnRecord"),
        tag="products", parameters=[_NAME, _VERSION], statuses=_OF_ONE,
    )  # fmt: skip
    yield "POST", PRODUCTS, to.publish, openapi.acting(
        "publish_product", "Publish a version of a product",
        "A version never changes: published again as it is nothing happens, published otherwise it"
        " is refused.",
        _PUBLISH, tag="products", answer="ProductAct", example=EXAMPLE,
        made={"201": openapi.so_now("ProductAct", "It is on record now.", _LOCATION)},
    )  # fmt: skip
    yield "POST", WITHDRAWAL, to.withdraw, openapi.acting(
        "withdraw_product", "Make no offer of a version any more",
        "Loans that run keep their terms. Asking again changes nothing.",
        _WITHDRAW, tag="products", answer="ProductAct", in_path=[_NAME, _VERSION],
    )  # fmt: skip


def components() -> dict[str, Any]:
    """The components that describe the answers of these routes, by name."""
    row: dict[str, Any] = {
        "name": TEXT,
        "version": TEXT,
        "digest": TEXT,
        "position": POSITION,
        "withdrawn": {"type": "boolean"},
        "currency": TEXT,
        "rate_percent": DECIMAL,
        "instalments": WHOLE,
    }
    return {
        "ProductRow": record(**row),
        "ProductAct": record(**row, changed={"type": "boolean"}),
        "ProductOnRecord": record(**row, product=reference("Product")),
    }
