"""The ring as a state machine, under a memory model weaker than any real machine's.

Two processes run the steps of spsc.py, broadcast.py and wait.py: look at the other's
cursor only when full or empty, fill two words of a slot, publish, sleep, wake, drop and
report. Every interleaving is walked, with a crash at every step where asked.

Memory. Each shared word keeps its history; a load may return any value its process has
not yet been shown to be old, so loads and stores pass one another freely. A release
store carries along what its process knows, an acquire load takes it over, and a fence
exchanges knowledge with all other fences: the C++11 model of such accesses. Slots are
plain memory, as for LLVM: two accesses that are not ordered by what their processes
know are a race, and a race is a fault, whatever value it happens to return.

A mutant is this machine with one ordering or one step changed.
"""

from dataclasses import dataclass, field

TAIL, HEAD, SLEEPING, BELL, WRITES, READS = range(6)
ACQUIRE = RELEASE = True
UNSEEN = (0,) * 6

MUTANTS = {
    "tail is published without release": "plain_tail_store",
    "tail is looked at without acquire": "plain_tail_load",
    "head is published without release": "plain_head_store",
    "head is looked at without acquire": "plain_head_load",
    "cursor is published before the slot is filled": "commit_early",
    "slot is given back before it is read": "release_early",
    "producer has no fence before it looks for a sleeper": "no_fence_in_notify",
    "sleeper has no fence after its flag": "no_fence_in_sleep",
    "sleeper looks again before it sets its flag": "look_before_flag",
    "sleeper reads the bell after its last look": "bell_after_look",
    "bell is rung without changing its word": "wake_only",
    "second consumer reuses numbers of sleeps": "sleeps_restart",
    "slot is taken while the ring is full": "off_by_one",
    "event is acknowledged before it is acted on": "ack_before_act",
    "second consumer starts at the tail": "resume_at_tail",
    "second producer starts at the head": "resume_at_head",
    "losses are reported after the next event": "gap_late",
    "losses are reported twice": "gap_twice",
}
"""What a mutant does, and its name in Case.mutant."""


class Fault(Exception):  # noqa: N818 - what is wrong, not an error of the model
    """A state that must not be reachable."""


@dataclass(frozen=True)
class Case:
    """One machine to be walked."""

    capacity: int = 1
    events: int = 2
    drops: bool = False
    sleeps: int = 0  # how often the consumer sleeps at most; it spins after that
    crash: str = ""
    mutant: str = ""


@dataclass(frozen=True, slots=True)
class Producer:
    pc: str = "next"
    cursor: int = 0
    other: int = 0
    rung: int = 0
    next: int = 1
    lost: int = 0
    dropped: int = 0
    gap: bool = False
    view: tuple = UNSEEN


@dataclass(frozen=True, slots=True)
class Consumer:
    pc: str = "take"
    cursor: int = 0
    other: int = 0
    sleep: int = 0
    bell: int = 0
    word: int = 0
    acted: int = 0
    lost: int = 0
    doubled: int = 0
    view: tuple = UNSEEN


@dataclass(frozen=True, slots=True)
class State:
    p: Producer
    c: Consumer
    memory: tuple  # per word: messages (time, value, knowledge), oldest readable first
    slots: tuple  # per slot: value, time of last write, time of last read, of two words
    fences: tuple = UNSEEN
    crashes: int = 0


@dataclass
class Result:
    """What a walk found."""

    states: int = 0
    ends: int = 0
    fault: str = ""
    trace: list = field(default_factory=list)


def join(one, two):
    return tuple(map(max, one, two))


def at(view, place, time):
    return (*view[:place], time, *view[place + 1 :])


def changed(value, **changes):
    fields = {name: getattr(value, name) for name in value.__slots__}
    return type(value)(**(fields | changes))


class Machine:
    """The steps of one Case."""

    def __init__(self, case):
        self.case, self.mutant = case, case.mutant

    def start(self):
        memory = (((0, 0, UNSEEN),),) * 4
        return State(Producer(), Consumer(), memory, ((0,) * 6,) * self.case.capacity)

    # Memory.

    def loads(self, state, view, word, *, acquire=ACQUIRE):
        for time, value, known in state.memory[word]:
            if time >= view[word]:
                seen = at(view, word, time)
                yield value, join(seen, known) if acquire else seen

    def stored(self, state, view, word, value, *, release=RELEASE):
        time = state.memory[word][-1][0] + 1
        view = at(view, word, time)
        known = view if release else at(UNSEEN, word, time)
        messages = (*state.memory[word], (time, value, known))
        return view, (*state.memory[:word], messages, *state.memory[word + 1 :])

    def latest(self, state, word):
        return state.memory[word][-1][1]

    def slot(self, state, cursor, half, *, value=None):
        """Write (`value`) or read half a slot; return (value, view, slots), or raise a race."""
        index = cursor % self.case.capacity
        slot = list(state.slots[index])
        mine, theirs = (WRITES, READS) if value is not None else (READS, WRITES)
        view = state.p.view if value is not None else state.c.view
        if slot[half * 3 + (2 if theirs == READS else 1)] > view[theirs]:
            raise Fault("race on a slot")
        view = at(view, mine, view[mine] + 1)
        slot[half * 3 + (1 if mine == WRITES else 2)] = view[mine]
        if value is not None:
            slot[half * 3] = value
        slots = (*state.slots[:index], tuple(slot), *state.slots[index + 1 :])
        return slot[half * 3], view, slots

    # The producer.

    def producer(self, state):
        p = state.p
        if p.pc == "next":
            yield from self.look_for_room(state)
        elif p.pc in ("a", "b"):
            half = int(p.pc == "b")
            following = {"a": "b", "b": "published" if self.mutant == "commit_early" else "commit"}
            cursor = p.cursor - (self.mutant == "commit_early")
            _, view, slots = self.slot(state, cursor, half, value=self.payload(p))
            yield changed(state, p=changed(p, pc=following[p.pc], view=view), slots=slots)
        elif p.pc == "commit":
            yield self.commit(state)
        elif p.pc == "published":
            yield changed(state, p=self.after_commit(p))
        else:
            yield from self.notify(state)

    def payload(self, p):
        if p.gap:
            return -p.lost
        return p.next if self.case.drops else p.cursor + (self.mutant != "commit_early")

    def look_for_room(self, state):
        p, case = state.p, self.case
        sent = p.next - 1 if case.drops else p.cursor
        if sent == case.events:
            return
        limit = case.capacity + (self.mutant == "off_by_one")
        needed = 1 + p.gap
        begin = "commit" if self.mutant == "commit_early" else "a"
        if limit - (p.cursor - p.other) >= needed:
            yield changed(state, p=changed(p, pc=begin))
            return
        is_ordered = self.mutant != "plain_head_load"
        for head, view in self.loads(state, p.view, HEAD, acquire=is_ordered):
            if not p.other <= head <= p.cursor:
                raise Fault("producer sees an impossible head")
            looked = changed(p, other=head, view=view)
            if limit - (p.cursor - head) >= needed:
                yield changed(state, p=changed(looked, pc=begin))
            elif case.drops:
                counts = {"next": p.next + 1, "lost": p.lost + 1, "dropped": p.dropped + 1}
                gap = self.mutant != "gap_late" or p.gap
                yield changed(state, p=changed(looked, gap=gap, **counts))
            else:
                yield changed(state, p=looked)

    def commit(self, state):
        p = state.p
        release = self.mutant != "plain_tail_store"
        view, memory = self.stored(state, p.view, TAIL, p.cursor + 1, release=release)
        done = changed(p, cursor=p.cursor + 1, view=view)
        if self.mutant == "commit_early":
            return changed(state, p=changed(done, pc="a"), memory=memory)
        return changed(state, p=self.after_commit(done), memory=memory)

    def after_commit(self, p):
        if p.gap:
            kept = p.lost if self.mutant == "gap_twice" else 0
            return changed(p, gap=False, lost=kept, pc="a")
        late = self.mutant == "gap_late" and p.lost > 0
        following = "fence" if self.case.sleeps else "next"
        return changed(p, next=p.next + 1, pc=following, gap=late)

    def notify(self, state):
        p = state.p
        if p.pc == "fence":
            fences, view = state.fences, p.view
            if self.mutant != "no_fence_in_notify":
                fences = view = join(fences, view)
            yield changed(state, p=changed(p, pc="look", view=view), fences=fences)
        elif p.pc == "look":
            for sleep, view in self.loads(state, p.view, SLEEPING):
                asleep = sleep not in (0, p.rung)
                looked = changed(p, view=view, pc="bell" if asleep else "next")
                yield changed(state, p=changed(looked, rung=sleep) if asleep else looked)
        elif p.pc == "bell":
            value = self.latest(state, BELL) + (self.mutant != "wake_only")
            view, memory = self.stored(state, p.view, BELL, value)
            yield changed(state, p=changed(p, pc="wake", view=view), memory=memory)
        else:
            c = changed(state.c, pc="woken") if state.c.pc == "asleep" else state.c
            yield changed(state, p=changed(p, pc="next"), c=c)

    # The consumer.

    def consumer(self, state):
        c = state.c
        given_back = c.cursor - (self.mutant == "release_early")
        if c.pc == "take":
            tired = "flag" if self.mutant == "bell_after_look" else "bell"
            slept = c.view[SLEEPING] // 2
            ready = "release" if self.mutant == "release_early" else "read a"
            yield from self.take(state, ready, tired if slept < self.case.sleeps else "take")
        elif c.pc == "read a":
            word, view, slots = self.slot(state, given_back, 0)
            yield changed(state, c=changed(c, pc="read b", word=word, view=view), slots=slots)
        elif c.pc == "read b":
            word, view, slots = self.slot(state, given_back, 1)
            if word != c.word:
                raise Fault("torn event")
            pc = "release" if self.mutant == "ack_before_act" else "act"
            yield changed(state, c=changed(c, pc=pc, view=view), slots=slots)
        elif c.pc == "act":
            is_released = self.mutant in ("ack_before_act", "release_early")
            pc = "take" if is_released else "release"
            yield changed(state, c=changed(self.act(state), pc=pc))
        elif c.pc == "release":
            release = self.mutant != "plain_head_store"
            view, memory = self.stored(state, c.view, HEAD, c.cursor + 1, release=release)
            pc = {"ack_before_act": "act", "release_early": "read a"}.get(self.mutant, "take")
            yield changed(state, c=changed(c, pc=pc, cursor=c.cursor + 1, view=view), memory=memory)
        else:
            yield from self.sleep(state)

    def take(self, state, ready, empty):
        """Look for events; look at the tail only when none is known of."""
        c = state.c
        if c.cursor != c.other:
            yield changed(state, c=changed(c, pc=ready))
            return
        is_ordered = self.mutant != "plain_tail_load"
        for tail, view in self.loads(state, c.view, TAIL, acquire=is_ordered):
            if not 0 <= tail - c.cursor <= self.case.capacity:
                raise Fault("consumer sees an impossible tail")
            pc = ready if tail > c.cursor else empty
            yield changed(state, c=changed(c, pc=pc, other=tail, view=view))

    def act(self, state):
        c, value = state.c, state.c.word
        if value < 0:
            return changed(c, lost=c.lost - value)
        expected = c.acted + c.lost + 1
        if value == expected:
            return changed(c, acted=c.acted + 1)
        if value == expected - 1 and c.doubled < state.crashes and self.case.crash == "consumer":
            return changed(c, doubled=c.doubled + 1)
        raise Fault(f"event {value} came where {expected} was due")

    def sleep(self, state):
        c = state.c
        order = {"bell": "flag", "flag": "fence", "fence": "look", "look": "futex"}
        if self.mutant == "look_before_flag":
            order = {"bell": "look", "look": "flag", "flag": "fence", "fence": "futex"}
        elif self.mutant == "bell_after_look":
            order = {"flag": "fence", "fence": "look", "look": "bell", "bell": "futex"}
        if c.pc == "look":
            yield from self.take(state, "clear", order["look"])
        elif c.pc in order:
            yield from self.fall_asleep(state, order[c.pc])
        elif c.pc == "futex":
            # The kernel compares with the word as it is, and queues the sleeper at once.
            pc = "asleep" if self.latest(state, BELL) == c.bell else "woken"
            yield changed(state, c=changed(c, pc=pc))
        elif c.pc in ("woken", "clear"):
            view, memory = self.stored(state, c.view, SLEEPING, 0)
            yield changed(state, c=changed(c, pc="take", bell=0, view=view), memory=memory)
        elif self.case.crash == "producer" and state.crashes:
            # Only the bound of a sleep helps against a producer killed before the bell.
            yield changed(state, c=changed(c, pc="woken"))

    def fall_asleep(self, state, following):
        """Read the bell, say that it sleeps, or fence: one step of the three."""
        c = state.c
        if c.pc == "bell":
            for bell, view in self.loads(state, c.view, BELL):
                yield changed(state, c=changed(c, pc=following, bell=bell, view=view))
        elif c.pc == "flag":
            view, memory = self.stored(state, c.view, SLEEPING, c.sleep + 1)
            flagged = changed(c, pc=following, sleep=c.sleep + 1, view=view)
            yield changed(state, c=flagged, memory=memory)
        else:
            fences, view = state.fences, c.view
            if self.mutant != "no_fence_in_sleep":
                fences = view = join(fences, view)
            yield changed(state, c=changed(c, pc=following, view=view), fences=fences)

    # Crashes.

    def crash(self, state):
        """Kill one side and start it again from what is in shared memory."""
        if state.crashes or not self.case.crash:
            return
        tail, head = self.latest(state, TAIL), self.latest(state, HEAD)
        if self.case.crash == "producer":
            cursor = head if self.mutant == "resume_at_head" else tail
            other = max(0, tail - self.case.capacity)
            p = changed(state.p, pc="next", cursor=cursor, other=min(other, cursor), rung=0)
            yield changed(state, p=p, crashes=1)
        else:
            cursor = tail if self.mutant == "resume_at_tail" else head
            sleep = 0 if self.mutant == "sleeps_restart" else state.c.sleep
            c = changed(state.c, pc="take", cursor=cursor, other=cursor, sleep=sleep, bell=0)
            yield changed(state, c=c, crashes=1)

    # The walk.

    def forgotten(self, state):
        """Return the state without messages that nobody can read any more."""
        readers = (state.c, state.p, state.p, state.c)
        memory = tuple(
            tuple(m for m in messages if m[0] >= reader.view[word]) or messages[-1:]
            for word, (messages, reader) in enumerate(zip(state.memory, readers, strict=True))
        )
        return changed(state, memory=memory)

    def check(self, state):
        tail, head = self.latest(state, TAIL), self.latest(state, HEAD)
        if not 0 <= tail - head <= self.case.capacity:
            raise Fault("more events in the ring than slots")

    def check_end(self, state):
        """Hold what must be true when nothing can happen any more."""
        p, c = state.p, state.c
        tail, head = self.latest(state, TAIL), self.latest(state, HEAD)
        if tail != head or c.pc not in ("take", "asleep"):
            raise Fault("lost wake-up" if c.pc == "asleep" else "stuck with events queued")
        if c.acted + c.lost + p.lost != self.case.events:
            raise Fault("pushed is not popped + dropped + queued")
        if p.dropped != c.lost + p.lost:
            raise Fault("losses reported and owed are not the drops")

    def successors(self, state):
        for step in (self.producer, self.consumer, self.crash):
            for following in step(state):
                self.check(following)
                yield self.forgotten(following)


def walk(case, limit=3_000_000):
    """Visit every reachable state of a case; stop at the first fault."""
    machine, result = Machine(case), Result()
    start = machine.start()
    parents, stack = {start: None}, [start]
    while stack:
        state = stack.pop()
        is_end = True
        try:
            for following in machine.successors(state):
                is_end = is_end and following == state
                if following not in parents:
                    parents[following] = state
                    stack.append(following)
            if is_end:
                result.ends += 1
                machine.check_end(state)
        except Fault as fault:
            result.fault = str(fault)
            while state is not None:
                result.trace.append(f"{state.p.pc} | {state.c.pc} | {state}")
                state = parents[state]
            result.trace.reverse()
            break
        if len(parents) > limit:
            raise AssertionError(f"more than {limit} states in {case}")
    result.states = len(parents)
    return result
