"""R3: every interleaving of the ring's steps is safe, with a crash at every step.

The true machine is walked completely (100 % of its reachable states) for capacities of
1 to 3 and up to five events: without sleeping, with drops and GAP events, with the bell,
with a killed producer and a killed consumer. Then each ordering is removed, and each rule
broken, in turn: every mutant must be caught, or the model would prove nothing.
"""

from functools import cache

import pytest
from model.ring_model import MUTANTS, Case, Fault, Machine, walk

walked = cache(walk)

SAFE = [
    *[Case(capacity, events) for capacity in (1, 2, 3) for events in range(1, 6)],
    *[Case(capacity, 5, drops=True) for capacity in (1, 2, 3)],
    *[Case(capacity, 3, sleeps=2) for capacity in (1, 2, 3)],
    *[Case(capacity, 3, drops=True, sleeps=2) for capacity in (1, 2)],
    *[Case(capacity, 4, crash=side) for capacity in (1, 2, 3) for side in ("producer", "consumer")],
    *[
        Case(capacity, 2, sleeps=2, crash=side)
        for capacity in (1, 2)
        for side in ("producer", "consumer")
    ],
]

CAUGHT_BY = {
    "plain_tail_store": (Case(1, 1), "race"),
    "plain_tail_load": (Case(1, 1), "race"),
    "plain_head_store": (Case(1, 2), "race"),
    "plain_head_load": (Case(1, 2), "race"),
    "commit_early": (Case(1, 1), "race"),
    "release_early": (Case(1, 2), "race"),
    "no_fence_in_notify": (Case(1, 1, sleeps=1), "lost wake-up"),
    "no_fence_in_sleep": (Case(1, 1, sleeps=1), "lost wake-up"),
    "look_before_flag": (Case(1, 1, sleeps=1), "lost wake-up"),
    "bell_after_look": (Case(1, 1, sleeps=1), "lost wake-up"),
    "wake_only": (Case(1, 1, sleeps=1), "lost wake-up"),
    "sleeps_restart": (Case(1, 2, sleeps=2, crash="consumer"), "lost wake-up"),
    "off_by_one": (Case(1, 2), "race|slots|impossible"),
    "ack_before_act": (Case(1, 2, crash="consumer"), "was due|popped"),
    "resume_at_tail": (Case(2, 2, crash="consumer"), "was due|popped|stuck|slots|impossible"),
    "resume_at_head": (Case(2, 2, crash="producer"), "race|was due|slots|impossible"),
    "gap_late": (Case(2, 5, drops=True), "was due"),
    "gap_twice": (Case(2, 5, drops=True), "was due|losses|popped"),
}


@pytest.mark.parametrize("case", SAFE, ids=str)
def test_every_reachable_state_of_the_ring_is_safe(case):
    result = walked(case)
    assert result.fault == "", "\n".join(result.trace)
    assert result.ends > 0
    assert result.states > case.events


@pytest.mark.parametrize("what", MUTANTS)
def test_mutant_is_caught(what):
    case, fault = CAUGHT_BY[MUTANTS[what]]
    mutant = Case(case.capacity, case.events, case.drops, case.sleeps, case.crash, MUTANTS[what])
    assert walked(case).fault == ""
    result = walk(mutant)
    assert result.fault, f"nothing noticed that {what}"
    assert any(word in result.fault for word in fault.split("|")), result.fault


def test_mutants_are_twelve_or_more_and_each_has_its_own_case():
    assert len(MUTANTS) >= 12
    assert set(MUTANTS.values()) == set(CAUGHT_BY)


def test_walk_visits_states_in_which_the_consumer_sleeps_and_the_producer_rings():
    seen, machine = set(), Machine(Case(1, 1, sleeps=1))
    stack = [machine.start()]
    visited = set(stack)
    while stack:
        state = stack.pop()
        seen.add((state.p.pc, state.c.pc))
        for following in machine.successors(state):
            if following not in visited:
                visited.add(following)
                stack.append(following)
    assert {("next", "asleep"), ("wake", "asleep"), ("bell", "look"), ("look", "futex")} <= seen


def test_walk_visits_a_crash_at_every_step_of_the_producer():
    machine = Machine(Case(2, 3, crash="producer"))
    stack = [machine.start()]
    visited, crashed_at = set(stack), set()
    while stack:
        state = stack.pop()
        if state.crashes == 0 and any(s.crashes for s in machine.crash(state)):
            crashed_at.add(state.p.pc)
        for following in machine.successors(state):
            if following not in visited:
                visited.add(following)
                stack.append(following)
    assert crashed_at == {"next", "a", "b", "commit"}


def test_plain_read_of_a_slot_that_was_never_published_is_a_race():
    machine = Machine(Case(1, 1))
    state = machine.start()
    written = next(s for s in machine.producer(state) if s.p.pc == "a")
    half = next(machine.producer(written))
    with pytest.raises(Fault, match="race"):
        machine.slot(half, 0, 0)
