"""The session table: what it sends, when it gives up, and that it always finds back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.net.limits import OperationBudget
from livekit.okx.messages import Ack, Failure, Notice
from livekit.okx.phases import TABLE, Alarm, Close, Down, Open, Phase, Send, Signal, Swap, Up
from livekit.okx.session import CONFIGURATION_CLOSES, Session
from livekit.okx.subscriptions import Argument

SECOND = 1_000_000_000
BOOKS = Argument("books", "BTC-USDT")
TRADES = Argument("trades", "BTC-USDT")


def make_session(arguments=(BOOKS, TRADES), login=None, budget=OperationBudget):
    return Session(arguments, lambda _attempt: SECOND, lambda now: now, budget, login)


def requests(actions, operation="subscribe"):
    """Return [(link, id, channel)] of the requests among some actions."""
    found = []
    for action in actions:
        if isinstance(action, Send) and action.frame != b"ping":
            request = json.loads(action.frame)
            if request["op"] == operation:
                (arg,) = request["args"]
                found.append((action.link, request["id"], arg["channel"]))
    return found


def acknowledge(session, asked, now):
    actions = []
    for link, name, channel in asked:
        actions += session.hear(link, Ack(channel, "BTC-USDT", True, name), now)
    return actions


def bring_up(session, now=0):
    """Take a session to LIVE on its primary link; return that link's number."""
    session.tick(now)
    link = session.primary.number
    assert Up(link) in acknowledge(session, requests(session.opened(link, now)), now)
    return link


def test_session_asks_one_argument_per_request_each_with_its_own_id():
    session = make_session()
    assert session.tick(0) == [Open(0)]
    asked = requests(session.opened(0, 0))
    assert [channel for _, _, channel in asked] == ["books", "trades"]
    assert len({name for _, name, _ in asked}) == 2
    assert session.primary.phase is Phase.SUBSCRIBING
    assert acknowledge(session, asked[:1], 0) == []
    assert acknowledge(session, asked[1:], 0) == [Up(0)]


def test_session_with_a_login_subscribes_only_after_it():
    session = make_session(login=lambda: b"login")
    session.tick(0)
    assert session.opened(0, 0) == [Send(0, b"login")]
    assert session.primary.phase is Phase.LOGGING_IN
    assert len(requests(session.logged_in(0, 0))) == 2


def test_refused_login_is_given_up_until_somebody_retries():
    session = make_session(login=lambda: b"login")
    session.tick(0)
    session.opened(0, 0)
    actions = session.hear(0, Failure("60005", "Invalid apiKey", ""), 0)
    assert any(isinstance(one, Alarm) and "60005" in one.text for one in actions)
    assert session.tick(100 * SECOND) == []
    session.retry(100 * SECOND)
    assert session.tick(100 * SECOND) == [Open(0)]


def test_data_before_the_acknowledgement_counts_as_one():
    session = make_session([BOOKS])
    session.tick(0)
    session.opened(0, 0)
    assert session.seen(0, BOOKS, 1) == [Up(0)]


def test_refused_subscription_raises_an_alarm_and_the_others_go_on():
    session = make_session()
    session.tick(0)
    books, trades = requests(session.opened(0, 0))
    actions = session.hear(0, Failure("60018", "no such channel", books[1]), 0)
    assert actions == [Alarm("subscription books of 'BTC-USDT' refused: 60018 no such channel")]
    assert acknowledge(session, [trades], 0) == [Up(0)]
    assert session.primary.refused == {BOOKS: "60018 no such channel"}


def test_session_whose_every_subscription_is_refused_is_given_up():
    session = make_session([BOOKS])
    session.tick(0)
    session.opened(0, 0)
    actions = session.hear(0, Failure("60018", "no", ""), 0)
    assert session.primary.phase is Phase.FAILED
    assert any(isinstance(one, Close) for one in actions)


def test_quiet_link_is_pinged_after_20_s_and_dropped_20_s_later():
    session = make_session()
    link = bring_up(session)
    assert session.tick(20 * SECOND) == []
    assert session.tick(20 * SECOND + 1) == [Send(link, b"ping")]
    assert session.tick(40 * SECOND) == []
    actions = session.tick(40 * SECOND + 2)
    reason = "nothing heard, and no answer to a ping"
    assert actions == [Close(link, reason), Down(link, reason)]
    assert session.primary.phase is Phase.WAITING


def test_pinged_link_that_is_heard_is_live_again():
    session = make_session()
    bring_up(session)
    session.tick(21 * SECOND)
    assert session.primary.phase is Phase.PINGED
    session.heard(session.primary, 22 * SECOND)
    assert session.primary.phase is Phase.LIVE
    assert session.tick(41 * SECOND) == []


def test_notice_opens_a_second_link_that_takes_over_before_the_first_is_closed():
    session = make_session()
    old = bring_up(session)
    session.hear(old, Notice("64008", "upgrade"), SECOND)
    assert session.tick(SECOND) == [Open(1)]
    asked = requests(session.opened(1, SECOND))
    assert len(asked) == 2
    assert acknowledge(session, asked, SECOND) == [Swap(old, 1), Close(old, "replaced")]
    assert (session.primary.number, session.spare) == (1, None)


def test_second_notice_opens_no_third_link():
    session = make_session()
    old = bring_up(session)
    session.hear(old, Notice("64008", "upgrade"), 0)
    spare = session.spare
    session.hear(old, Notice("64008", "upgrade"), 1)
    assert session.spare is spare


def test_link_cut_while_it_is_being_replaced_hands_over_at_once():
    session = make_session()
    old = bring_up(session)
    session.hear(old, Notice("64008", "upgrade"), 0)
    session.tick(1)
    actions = session.closed(old, 1006, "cut", 2)
    assert isinstance(actions[-1], Down)
    assert acknowledge(session, requests(session.opened(1, 3)), 3) == [Up(1)]


def test_broken_book_is_asked_for_once_however_often_it_is_reported():
    session = make_session()
    bring_up(session)
    first = session.resync(BOOKS, 1)
    assert len(requests(first, "unsubscribe")) == len(requests(first)) == 1
    assert session.resync(BOOKS, 2) == []
    session.restored(BOOKS)
    assert session.resync(BOOKS, 3) != []


def test_sixth_resubscription_of_a_minute_makes_a_new_connection():
    session = make_session()
    link = bring_up(session)
    for k in range(5):
        assert session.resync(BOOKS, k)
        session.restored(BOOKS)
    actions = session.resync(BOOKS, 6)
    assert isinstance(actions[0], Close)
    assert actions[1].link == link
    assert session.primary.phase is Phase.WAITING


def test_resubscription_never_exceeds_the_requests_of_a_connection():
    session = make_session(budget=lambda: OperationBudget(limit=3))
    bring_up(session)
    assert isinstance(session.resync(BOOKS, 1)[0], Close)


@pytest.mark.parametrize("code", sorted(CONFIGURATION_CLOSES))
def test_close_that_would_come_again_is_given_up(code):
    session = make_session()
    link = bring_up(session)
    actions = session.closed(link, code, "why", 1)
    assert session.primary.phase is Phase.FAILED
    assert Down(link, f"closed with {code}: why") in actions


@pytest.mark.parametrize("code", [1006, 4002, 4004, 4005, 4006])
def test_close_that_can_pass_is_tried_again_after_a_while(code):
    session = make_session()
    link = bring_up(session)
    session.closed(link, code, "why", 0)
    assert session.tick(SECOND - 1) == []
    assert session.tick(SECOND) == [Open(link)]


def test_every_phase_has_a_way_to_live():
    ways = {phase: set() for phase in Phase}
    for (before, _), after in TABLE.items():
        ways[before].add(after)
    for phase in Phase:
        reached, edge = {phase}, {phase}
        while edge:
            edge = set().union(*(ways[one] for one in edge)) - reached
            reached |= edge
        assert Phase.LIVE in reached, phase


def test_every_connected_phase_can_be_cut():
    connected = set(Phase) - {Phase.WAITING, Phase.FAILED}
    assert {before for before, signal in TABLE if signal is Signal.CUT} == connected


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["tick", "long", "open", "ack", "fail", "cut", "notice", "resync", "snapshot", "hear"]
        ),
        st.integers(0, 3),
    ),
    max_size=60,
)


class World:
    """A session, and what the exchange has been asked and not answered."""

    def __init__(self):
        self.session, self.now, self.asked = make_session(), 0, []

    def note(self, actions):
        self.asked += [one for one in requests(actions) if self.session.find(one[0]) is not None]

    def step(self, name, link):
        session, now = self.session, self.now
        steps = {
            "tick": lambda: session.tick(now),
            "long": lambda: session.tick(now + 11 * SECOND),
            "open": lambda: session.opened(link, now),
            "ack": lambda: acknowledge(session, [self.asked.pop(0)] if self.asked else [], now),
            "fail": lambda: session.hear(link, Failure("60014", "too often", ""), now),
            "cut": lambda: session.closed(link, 1006, "cut", now),
            "notice": lambda: session.hear(link, Notice("64008", "upgrade"), now),
            "resync": lambda: session.resync(BOOKS, now),
            "snapshot": lambda: session.restored(BOOKS),
            "hear": lambda: session.heard(session.find(link), now),
        }
        was_under_way = BOOKS in session.resyncing
        actions = steps[name]() or []
        assert not (name == "resync" and was_under_way and requests(actions))
        self.note(actions)
        self.now += 11 * SECOND if name == "long" else SECOND // 10

    def settle(self):
        """Let the exchange be well: it opens, and it takes every subscription."""
        self.now += 3 * SECOND
        self.session.tick(self.now)
        for one in self.session.links:
            self.session.opened(one.number, self.now)
            for name, argument in list(one.pending.items()):
                ack = Ack(argument.channel, "BTC-USDT", True, name)
                self.session.hear(one.number, ack, self.now)
            self.session.heard(one, self.now)


@given(STEPS)
def test_session_finds_back_to_live_from_whatever_happened(steps):
    world = World()
    for name, which in steps:
        links = world.session.links
        world.step(name, links[min(which, len(links) - 1)].number)
    for _ in range(4):
        world.settle()
    assert world.session.primary.is_live
    assert not world.session.primary.pending
