"""Frames and calls as they are sent, and their signatures."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError
from livekit.okx import calls, requests
from livekit.okx.requests import Amend, Cancel, Order, order_op

SECRET = b"22582BD0CFF14C41EDBF1AB98506286D"


def keyed():
    return hmac.new(SECRET, digestmod=hashlib.sha256)


def signature(text):
    return base64.b64encode(hmac.new(SECRET, text.encode(), hashlib.sha256).digest()).decode()


def swap(**changes):
    fields = {"symbol": "BTC-USDT-SWAP", "code": 10459, "side": "buy", "kind": "limit"}
    fields |= {"size": "1", "price": "100.5", "trade_mode": "cross", "client_id": "lk1"}
    return Order(**(fields | changes))


def args_of(order):
    return json.loads(order_op("1", "order", [order]))["args"][0]


def test_login_signs_the_literal_path_with_whole_seconds():
    sent = requests.login("k", "p", lambda t: requests.sign_text(keyed(), t), 1704876947)
    sign = signature("1704876947GET/users/self/verify")
    row = {"apiKey": "k", "passphrase": "p", "timestamp": "1704876947", "sign": sign}
    assert json.loads(sent) == {"op": "login", "args": [row]}


def test_one_secret_signs_any_number_of_texts():
    secret = keyed()
    first = requests.sign_text(secret, "a")
    assert requests.sign_text(secret, "b") == signature("b")
    assert requests.sign_text(secret, "a") == first == signature("a")


def test_rest_signature_covers_time_method_path_and_exact_body():
    call = calls.operation("order", [swap()], expire_ms=1597026385000)
    found = calls.headers(
        call, key="k", passphrase="p", secret=keyed(), now_ms=1607418537715, is_demo=True
    )
    ts = "2020-12-08T09:08:57.715Z"
    text = f"{ts}POST/api/v5/trade/order{call.body.decode()}"
    assert found == {
        "OK-ACCESS-KEY": "k",
        "OK-ACCESS-SIGN": signature(text),
        "OK-ACCESS-TIMESTAMP": ts,
        "OK-ACCESS-PASSPHRASE": "p",
        "Content-Type": "application/json",
        "x-simulated-trading": "1",
        "expTime": "1597026385000",
    }


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1607418537000, "2020-12-08T09:08:57.000Z"),
        (1709164800007, "2024-02-29T00:00:00.007Z"),
    ],
)
def test_time_has_three_decimals_always(ms, text):
    assert requests.iso_time(ms) == text


def test_subscription_carries_its_args_and_an_id_only_if_given():
    args = [{"channel": "orders", "instType": "ANY"}]
    assert json.loads(requests.subscribe(args, "7")) == {"id": "7", "op": "subscribe", "args": args}
    assert json.loads(requests.unsubscribe(args)) == {"op": "unsubscribe", "args": args}
    account = json.loads(requests.subscribe(requests.PRIVATE_CHANNELS))["args"][1]
    assert account["extraParams"] == '{"updateInterval":"0"}'
    with pytest.raises(ConfigError, match="names no channel"):
        requests.subscribe([])


def test_limit_order_of_a_swap_names_the_code_and_not_the_symbol():
    frame = json.loads(order_op("a1", "order", [swap()], expire_ms=1700000000000))
    assert frame == {
        "id": "a1",
        "op": "order",
        "args": [
            {
                "instIdCode": 10459,
                "tdMode": "cross",
                "side": "buy",
                "ordType": "limit",
                "sz": "1",
                "px": "100.5",
                "clOrdId": "lk1",
            }
        ],
        "expTime": "1700000000000",
    }


@pytest.mark.parametrize("kind", ["limit", "post_only", "ioc", "fok"])
def test_every_priced_kind_of_order_has_its_price(kind):
    assert (args_of(swap(kind=kind))["ordType"], args_of(swap(kind=kind))["px"]) == (kind, "100.5")


def test_market_order_of_a_swap_reduces_only_and_has_no_price():
    sent = args_of(swap(kind="market", price="", is_reduce_only=True, position_side="net"))
    assert (sent["reduceOnly"], sent["posSide"], "px" in sent) == (True, "net", False)


def test_spot_market_order_in_base_says_so():
    spot = Order("BTC-USDT", 1, "buy", "market", "0.00105", trade_mode="cash", size_unit="base_ccy")
    assert args_of(spot) == {
        "instIdCode": 1,
        "tdMode": "cash",
        "side": "buy",
        "ordType": "market",
        "sz": "0.00105",
        "tgtCcy": "base_ccy",
    }


def test_code_beyond_2_to_the_50_stays_an_integer():
    assert b'"instIdCode":2021032601100010,' in order_op(
        "1", "order", [swap(code=2021032601100010)]
    )


def test_order_without_code_is_for_rest_only():
    with pytest.raises(ConfigError, match="no instIdCode"):
        order_op("1", "order", [swap(code=None)])
    body = json.loads(calls.operation("order", [swap(code=None)]).body)
    assert (body["instId"], "instIdCode" in body) == ("BTC-USDT-SWAP", False)


def test_amendment_and_cancel_name_the_order():
    amend = Amend("X", 5, client_id="lk1", size="2", price="1.5", request_id="r1")
    sent = json.loads(order_op("1", "amend-order", [amend]))["args"]
    assert sent == [
        {"instIdCode": 5, "clOrdId": "lk1", "reqId": "r1", "newSz": "2", "newPx": "1.5"}
    ]
    cancel = json.loads(order_op("1", "cancel-order", [Cancel("X", 5, order_id="9")]))["args"]
    assert cancel == [{"instIdCode": 5, "ordId": "9"}]


@pytest.mark.parametrize(
    ("op", "one", "path"),
    [
        ("order", swap(), "order"),
        ("batch-orders", swap(), "batch-orders"),
        ("amend-order", Amend("X", 5, order_id="1", size="2"), "amend-order"),
        ("batch-amend-orders", Amend("X", 5, order_id="1", size="2"), "amend-batch-orders"),
        ("cancel-order", Cancel("X", 5, order_id="1"), "cancel-order"),
        ("batch-cancel-orders", Cancel("X", 5, order_id="1"), "cancel-batch-orders"),
    ],
)
def test_every_operation_has_its_path_and_batches_send_arrays(op, one, path):
    call = calls.operation(op, [one])
    assert (call.method, call.path) == ("POST", f"/api/v5/trade/{path}")
    assert isinstance(json.loads(call.body), list) == op.startswith("batch")


@pytest.mark.parametrize(
    "make",
    [
        lambda: swap(size="1e-07"),
        lambda: swap(price="1e-07"),
        lambda: swap(price=""),
        lambda: swap(kind="market"),
        lambda: swap(side="long"),
        lambda: swap(kind="stop"),
        lambda: swap(trade_mode="margin"),
        lambda: swap(client_id="has-dash"),
        lambda: swap(client_id="a" * 33),
        lambda: swap(client_id="a\n"),
        lambda: swap(tag="a" * 17),
        lambda: Amend("X", 1, size="1"),
        lambda: Amend("X", 1, order_id="1"),
        lambda: Cancel("X", 1),
        lambda: Cancel("X", 1, order_id="x"),
        lambda: order_op("", "order", [swap()]),
        lambda: order_op("1", "order", []),
        lambda: order_op("1", "order", [swap(), swap()]),
        lambda: order_op("1", "batch-orders", [swap()] * 21),
        lambda: order_op("1", "cancel-order", [swap()]),
        lambda: order_op("1", "cancel-order", [Cancel("X", 1, order_id="1")], expire_ms=5),
        lambda: order_op("1", "nothing", [swap()]),
        lambda: order_op("1", "order", [swap()], expire_ms=0),
        lambda: calls.cancel_all_after(5),
        lambda: calls.order("X"),
        lambda: requests.mass_cancel("1", "BTC-USD", 10_001),
    ],
)
def test_what_okx_would_refuse_is_refused_here(make):
    with pytest.raises(ConfigError):
        make()


def test_mass_cancel_names_the_family():
    assert json.loads(requests.mass_cancel("1", "BTC-USD", 0))["args"] == [
        {"instType": "OPTION", "instFamily": "BTC-USD", "lockInterval": "0"}
    ]


def test_dead_mans_switch_is_armed_and_disarmed():
    assert json.loads(calls.cancel_all_after(30, "lk").body) == {"timeOut": "30", "tag": "lk"}
    assert json.loads(calls.cancel_all_after(0).body) == {"timeOut": "0"}


def test_query_stands_in_the_path_as_it_is_sent():
    assert calls.order("BTC-USDT", client_id="a1").path == (
        "/api/v5/trade/order?instId=BTC-USDT&clOrdId=a1"
    )
    assert calls.server_time().path == "/api/v5/public/time"
    assert (
        calls.fills("SPOT", after="9").path == "/api/v5/trade/fills?instType=SPOT&after=9&limit=100"
    )
    assert calls.balance("A&B").path == "/api/v5/account/balance?ccy=A%26B"


@given(st.text(), st.text(), st.text())
def test_no_text_gets_past_the_checks_of_an_order(size, client_id, tag):
    try:
        order = swap(size=size, client_id=client_id, tag=tag)
    except ConfigError:
        return
    assert set(order.size) <= set("0123456789.")
    assert (order.client_id + order.tag).isascii()
