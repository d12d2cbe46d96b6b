"""API keys: their form, and how they are checked."""

import ast
import inspect
import io
import textwrap

from hypothesis import given
from hypothesis import strategies as st

from lending.ledger.sealing import Randomness
from lending.service.keys import FreshKey, KeyDigests, key_id_of, make_key

DIGESTS = KeyDigests(b"p" * 32)
KEYS = st.binary(min_size=42, max_size=42).map(lambda chance: make_key(_giving(chance)))


def _giving(chance: bytes) -> Randomness:
    stream = io.BytesIO(chance)
    return stream.read


def test_a_key_has_256_bits_that_nobody_can_guess() -> None:
    asked: list[int] = []

    def randomness(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    key = make_key(randomness)
    assert max(asked) == 256 // 8
    assert key.text == f"lk_{'a' * 16}_{'a' * 52}"
    assert key.text not in repr(key)


@given(KEYS)
def test_a_key_is_itself(key: FreshKey) -> None:
    assert key_id_of(key.text) == key.key_id
    assert DIGESTS.matches(key.text, DIGESTS.digest(key.text))


@given(KEYS, st.data())
def test_a_key_with_one_bit_changed_is_no_key_or_another(
    key: FreshKey, data: st.DataObject
) -> None:
    kept = DIGESTS.digest(key.text)
    raw = bytearray(key.text.encode())
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << (bit % 8)
    changed = raw.decode("latin-1")
    assert key_id_of(changed) != key.key_id or not DIGESTS.matches(changed, kept)


def test_another_pepper_makes_another_digest() -> None:
    text = make_key(bytes).text
    assert not KeyDigests(b"q" * 32).matches(text, DIGESTS.digest(text))


def test_a_key_that_is_not_known_is_compared_all_the_same() -> None:
    assert not DIGESTS.matches(make_key(bytes).text, None)


def test_digests_are_compared_in_constant_time() -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(KeyDigests.matches)))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    compared = [
        operator
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for operator in node.ops
    ]
    assert calls == ["hmac.compare_digest", "self.digest"]
    assert all(isinstance(operator, ast.IsNot) for operator in compared)
