"""Reject codes in OKX's words."""

import pytest

from livekit.events import Action, Reject
from livekit.trading.okx_codes import CANCEL_SOURCES, S_CODES, s_code

OWN = {
    *(Reject.NO_REFERENCE_PRICE, Reject.TRADING_HALTED, Reject.STRATEGY_FENCED),
    *(Reject.EXPIRED, Reject.VENUE),  # of any code
}


def test_every_refusal_has_a_code_or_ends_an_accepted_order_or_is_our_own():
    assert set(S_CODES) | set(CANCEL_SOURCES) | OWN == set(Reject)
    assert not OWN & (set(S_CODES) | set(CANCEL_SOURCES))
    assert all(code.isdigit() for code in [*S_CODES.values(), *CANCEL_SOURCES.values()])


@pytest.mark.parametrize(
    ("reject", "action", "code"),
    [
        (Reject.OFF_LOT, Action.NEW, "51121"),
        (Reject.BELOW_MINIMUM, Action.MODIFY, "51020"),
        (Reject.UNKNOWN_ORDER, Action.CANCEL, "51400"),
        (Reject.UNKNOWN_ORDER, Action.MODIFY, "51503"),
        (Reject.POST_ONLY_WOULD_TAKE, Action.NEW, None),
        (Reject.POST_ONLY_WOULD_TAKE, Action.MODIFY, "51511"),
        (Reject.TRADING_HALTED, Action.NEW, None),
    ],
)
def test_code_depends_on_what_was_asked(reject, action, code):
    assert s_code(reject, action) == code
