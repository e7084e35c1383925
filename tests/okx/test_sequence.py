"""The chain of seqId and prevSeqId: every cell of its table, and the exchange's example."""

import pytest

from livekit.okx.sequence import Chain, Link, State


def chain_in(state):
    chain = Chain()
    if state is not State.EMPTY:
        chain.step(10, -1, is_snapshot=True)
    if state is State.BROKEN:
        chain.break_()
    return chain


MESSAGES = {
    "snapshot": (50, -1, True),
    "extends": (15, 10, False),
    "heartbeat": (10, 10, False),
    "reset": (3, 10, False),
    "gap": (20, 12, False),
    "no ids": (None, None, False),
}
TABLE = [
    (State.EMPTY, "snapshot", Link.SNAPSHOT, State.LIVE, 50),
    (State.EMPTY, "extends", Link.WAITING, State.EMPTY, None),
    (State.EMPTY, "heartbeat", Link.WAITING, State.EMPTY, None),
    (State.EMPTY, "reset", Link.WAITING, State.EMPTY, None),
    (State.EMPTY, "gap", Link.WAITING, State.EMPTY, None),
    (State.EMPTY, "no ids", Link.WAITING, State.EMPTY, None),
    (State.LIVE, "snapshot", Link.SNAPSHOT, State.LIVE, 50),
    (State.LIVE, "extends", Link.EXTENDED, State.LIVE, 15),
    (State.LIVE, "heartbeat", Link.HEARTBEAT, State.LIVE, 10),
    (State.LIVE, "reset", Link.RESET, State.LIVE, 3),
    (State.LIVE, "gap", Link.GAP, State.BROKEN, 10),
    (State.LIVE, "no ids", Link.EXTENDED, State.LIVE, 10),
    (State.BROKEN, "snapshot", Link.SNAPSHOT, State.LIVE, 50),
    (State.BROKEN, "extends", Link.WAITING, State.BROKEN, 10),
    (State.BROKEN, "heartbeat", Link.WAITING, State.BROKEN, 10),
    (State.BROKEN, "reset", Link.WAITING, State.BROKEN, 10),
    (State.BROKEN, "gap", Link.WAITING, State.BROKEN, 10),
    (State.BROKEN, "no ids", Link.WAITING, State.BROKEN, 10),
]


def test_the_table_has_every_cell():
    assert {(state, message) for state, message, *_ in TABLE} == {
        (state, message) for state in State for message in MESSAGES
    }


@pytest.mark.parametrize(("state", "message", "link", "after", "last"), TABLE)
def test_message_in_a_state_gives_the_link_and_state_of_the_table(
    state, message, link, after, last
):
    chain = chain_in(state)
    seq, prev, is_snapshot = MESSAGES[message]
    assert chain.step(seq, prev, is_snapshot=is_snapshot) is link
    assert (chain.state, chain.last) == (after, last)


def test_documented_example_is_whole():
    chain = Chain()
    pairs = [(10, -1), (15, 10), (15, 15), (3, 15), (5, 3)]
    links = [chain.step(seq, prev, is_snapshot=prev == -1) for seq, prev in pairs]
    assert links == [Link.SNAPSHOT, Link.EXTENDED, Link.HEARTBEAT, Link.RESET, Link.EXTENDED]
    assert chain.last == 5


def test_closed_chain_waits_for_a_snapshot():
    chain = chain_in(State.LIVE)
    chain.close()
    assert chain.step(15, 10, is_snapshot=False) is Link.WAITING


def test_only_snapshot_extension_and_reset_are_applied():
    assert {link for link in Link if link.is_applied} == {Link.SNAPSHOT, Link.EXTENDED, Link.RESET}
