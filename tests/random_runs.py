"""Random runs that are consistent: fills of two instruments, and the equity they give."""

from hand_made_run import BUY, NAN, SELL, SPOT, SWAP, fill, make, orders_of, samples_of
from hypothesis import strategies as st

INSTRUMENTS = (SPOT, SWAP)


@st.composite
def fill_lists(draw, *, max_size=40):
    """Draw fills in order of time, long and short, through 0 and back, with and without a mid."""
    made = []
    at = 0.0
    for _ in range(draw(st.integers(0, max_size))):
        at += draw(st.sampled_from((0.0, 0.25, 1.0, 7.0)))
        index = draw(st.integers(0, 1))
        price = draw(st.integers(90, 110)) * (1.0, 30.0)[index]
        half = draw(st.sampled_from((NAN, 0.5, 2.0)))
        mid = price + draw(st.integers(-2, 2))
        quantity = draw(st.integers(1, 5)) * INSTRUMENTS[index]["lot"]
        made.append(
            fill(
                at,
                draw(st.sampled_from((BUY, SELL))),
                quantity,
                price,
                instrument=index,
                fee=draw(st.sampled_from((-0.02, 0.0, 0.05))),
                is_maker=draw(st.integers(0, 1)),
                bid=mid - half,
                ask=mid + half,
                mid_1s=draw(st.sampled_from((NAN, mid + 1.0))),
            )
        )
    return made


@st.composite
def runs(draw, *, max_size=40):
    """Draw runs whose orders and equity follow from their fills."""
    fills = draw(fill_lists(max_size=max_size))
    stop = 1.0 + (fills[-1]["ts"] - fills[0]["ts"]) / 1e9 + 300 if fills else 10.0
    times = sorted({0.0, *draw(st.lists(st.floats(0, stop), max_size=8)), stop})
    marks = [
        (at, [draw(st.integers(80, 120)) * 1.0, draw(st.integers(80, 120)) * 30.0]) for at in times
    ]
    funding = draw(st.lists(st.tuples(st.floats(0, stop), st.floats(-5, 5)), max_size=3))
    equity = samples_of(fills, marks, instruments=INSTRUMENTS, funding=funding)
    names = [one["symbol"] for one in INSTRUMENTS]
    last = dict(zip(names, marks[-1][1], strict=True))
    return make(
        fills, orders_of(fills), equity, end_marks=last, instruments=INSTRUMENTS, stop_s=stop
    )
