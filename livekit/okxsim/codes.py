"""OKX's error codes in use here, with the text the exchange sends beside them.

Source: OKX API v5, "Error code", read 2026-08; texts of 60018, 60032, 64008, 51000,
51008 and 51016 as captured. Clients must go by the code, never by the text.
Layer 4. Pure.
"""

from typing import Final, NamedTuple

__all__ = ["TEXTS", "Refusal", "refusal"]

TEXTS: Final[dict[str, str]] = {
    "50000": "Body for POST request cannot be empty.",
    "50001": "Service temporarily unavailable. Please try again later.",
    "50002": "JSON syntax error",
    "50004": "API endpoint request timeout (does not mean that the request was successful or "
    "failed, please check the request result)",
    "50011": "Too Many Requests",
    "50013": "Systems are busy. Please try again later.",
    "50014": "Parameter {0} cannot be empty",
    "50026": "System error. Try again later",
    "50030": "You don't have permission to use this API endpoint",
    "50036": "The expTime can't be earlier than the current system time. Please adjust the "
    "expTime and try again.",
    "50037": "Order expired.",
    "50061": "You've reached the maximum order rate limit for this account.",
    "50101": "APIKey does not match current environment.",
    "50102": "Timestamp request expired.",
    "50103": "Request header OK-ACCESS-KEY cannot be empty.",
    "50104": "Request header OK-ACCESS-PASSPHRASE cannot be empty.",
    "50105": "Request header OK-ACCESS-PASSPHRASE incorrect.",
    "50106": "Request header OK-ACCESS-SIGN cannot be empty.",
    "50107": "Request header OK-ACCESS-TIMESTAMP cannot be empty.",
    "50111": "Invalid OK-ACCESS-KEY",
    "50112": "Invalid OK-ACCESS-TIMESTAMP",
    "50113": "Invalid signature",
    "50119": "API key doesn't exist",
    "50120": "This API key doesn't have permission to use this function",
    "51000": "Parameter {0} error ",
    "51001": "Instrument ID, Instrument ID code, or Spread ID doesn't exist.",
    "51004": "Order failed. The order amount exceeds the position limit.",
    "51005": "Order amount exceeds current tier limit.",
    "51006": "Order price is not within the price limit (max buy price: {0}; min sell price: {1})",
    "51008": "Order failed. Your available {0} balance is insufficient, and your available "
    "margin (in USD) is too low for borrowing. ",
    "51010": "You can't complete this request under your current account mode.",
    "51015": "Instrument ID does not match the instrument type",
    "51016": "Duplicated client order ID",
    "51023": "Position doesn't exist.",
    "51020": "Your order should meet or exceed the minimum order amount.",
    "51021": "This contract doesn't exist or is not listed yet.",
    "51022": "Contract suspended.",
    "51027": "Contract expired.",
    "51039": "Leverage cannot be adjusted for the cross positions in isolated margin mode.",
    "51041": "Position mode must be changed to net before this operation",
    "51071": "You've reached the maximum limit for tag level cancel all after timers.",
    "51101": "Entered amount exceeds the maximum order size.",
    "51121": "Order quantity must be a multiple of the lot size.",
    "51149": "Order timed out. Please try again.",
    "51150": "The precision of the trade amount or price exceeds the limit.",
    "51155": "Trading of this pair or contract is restricted due to local compliance.",
    "51169": "Order failed because you don't have any positions in this direction for this "
    "contract to reduce or close.",
    "51174": "The number of {0} pending orders reached the upper limit of {1} (orders).",
    "51201": "The value of a market order can't exceed {0}.",
    "51400": "Cancellation failed as the order has been filled, canceled or does not exist.",
    "51503": "Order modification failed as the order has been filled, canceled or does not exist.",
    "51511": "Operation failed as the order price doesn't meet the requirement for Post Only.",
    "51513": "Number of modification requests that are currently in progress for an order "
    "cannot exceed 3 times.",
    "51603": "Order does not exist",
    "59000": "Setting failed. Cancel any open orders, close positions, and stop trading bots "
    "first.",
    "59102": "Leverage exceeds the maximum limit. Please lower the leverage.",
    "60004": "Invalid timestamp",
    "60005": "Invalid apiKey",
    "60006": "Timestamp request expired",
    "60007": "Invalid sign",
    "60008": "The current WebSocket endpoint does not support subscribing to {0} channels. "
    "Please check the WebSocket URL",
    "60009": "Login failed.",
    "60011": "Please log in",
    "60012": "Invalid request: {0}",
    "60013": "Invalid args",
    "60014": "Requests too frequent",
    "60018": "Subscribe failed, wrong URL or {0} doesn't exist. Please use the correct URL, "
    "channel and parameters referring to API document.",
    "60019": "Invalid op: {0}",
    "60023": "Bulk login requests too frequent",
    "60024": "Wrong passphrase",
    "60027": "Parameter {0} can not be empty",
    "60028": "The current operation is not supported by this URL. Please use the correct "
    "WebSocket URL for the operation.",
    "60031": "The WebSocket endpoint does not allow multiple or repeated logins.",
    "60032": "API key doesn't exist",
    "60033": "Parameter {0} error",
    "63999": "Login failed due to internal error. Please try again later.",
    "64001": "This channel has been migrated to the '/business' URL. Please subscribe using the "
    "new URL.",
    "64002": "This channel is not supported by '/business' URL. Please use '/private' or "
    "'/public' URL.",
    "64003": "Your trading fee tier doesn't meet the requirement to access this channel",
    "64004": "Subscribe to both {0} and books-l2-tbt for {1} is not allowed. Unsubscribe {0} "
    "first.",
    "64007": "Operation {0} failed due to a WebSocket internal error. Please try again later.",
    "64008": "The connection will soon be closed for a service upgrade. Please reconnect.",
}
"""Text by code; {0} and {1} are filled in by `refusal`."""


class Refusal(NamedTuple):
    """Why something was refused, as it goes onto the wire.

    Attributes
    ----------
    code, text, sub_code : str
    """

    code: str
    text: str
    sub_code: str = ""


def refusal(code: str, *values: object, sub_code: str = "") -> Refusal:
    """Return a refusal with its text, `values` put into it."""
    text = TEXTS.get(code, "Operation failed.")
    return Refusal(code, text.format(*values) if values else text.replace(" {0}", ""), sub_code)
