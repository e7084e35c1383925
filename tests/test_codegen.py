"""R4: what the compiler makes of the ring, checked in IR and assembled for two targets.

Each function of the ring is compiled; in its optimised IR the acquire loads, release
stores and fences are counted exactly, payload accesses stay between them, and nothing
calls Numba's runtime. The IR is assembled for x86-64 and aarch64, where acquire and
release must show as ldar and stlr. Stale machine code is kept out by the folder's name.
"""

import re
import shutil

import numba
import numpy as np
import pytest
from llvmlite import binding

from livekit.errors import ConfigError
from livekit.ring import broadcast, jit, spsc, wait
from livekit.ring.memory import load_acquire, load_i64

binding.initialize_all_targets()
binding.initialize_all_asmprinters()

TARGETS = {
    "x86_64": ("x86_64-unknown-linux-gnu", "x86-64-v3"),
    "aarch64": ("aarch64-unknown-linux-gnu", "neoverse-n1"),
}

# function: arguments, acquire loads, release stores, seq_cst fences
EXPECTED = {
    spsc.claim: (1, 1, 0, 0),
    spsc.commit: (1, 0, 1, 0),
    spsc.commit_many: (2, 0, 1, 0),
    spsc.peek: (1, 1, 0, 0),
    spsc.release: (1, 0, 1, 0),
    spsc.release_many: (2, 0, 1, 0),
    spsc.free: (2, 1, 0, 0),
    spsc.available: (1, 1, 0, 0),
    spsc.push: (3, 1, 1, 0),
    spsc.pop: (2, 1, 1, 0),
    spsc.push_batch: (4, 1, 1, 0),
    spsc.pop_batch: (4, 1, 1, 0),
    wait.wake_sleeper: (1, 2, 1, 0),
    wait.notify: (1, 2, 1, 1),
}


class Body:
    """The optimised IR of one jitted function, callees inlined, wrappers left out."""

    def __init__(self, function, n_arguments):
        python = getattr(function, "py_func", function)
        compiled = numba.njit(nogil=True, error_model="numpy")(python)
        compiled.compile((numba.int64,) * n_arguments)
        signature = compiled.signatures[0]
        name = compiled.overloads[signature].fndesc.mangled_name
        self.module = binding.parse_assembly(compiled.inspect_llvm(signature))
        blocks = self.module.get_function(name).blocks
        self.blocks = [[str(i).strip() for i in block.instructions] for block in blocks]
        self.lines = [line for block in self.blocks for line in block]

    def places(self, pattern):
        return [i for i, line in enumerate(self.lines) if re.search(pattern, line)]

    @property
    def orderings(self):
        return (
            len(self.places(r"load atomic .* acquire")),
            len(self.places(r"store atomic .* release")),
            len(self.places(r"fence seq_cst")),
        )

    @property
    def calls(self):
        return {
            found[1]
            for line in self.lines
            if (found := re.search(r"(?:call|invoke)[^@]*@\"?([\w.$]+)", line))
        }

    def assembly(self, target):
        triple, cpu = TARGETS[target]
        module = self.module.clone()
        module.triple = triple
        machine = binding.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=2)
        module.data_layout = str(machine.target_data)
        assert machine.emit_object(module)
        return machine.emit_assembly(module)


@pytest.fixture(scope="module")
def bodies():
    return {
        function.py_func.__name__: Body(function, expected[0])
        for function, expected in EXPECTED.items()
    }


NAMES = {function.py_func.__name__: rest for function, (_, *rest) in EXPECTED.items()}


@pytest.mark.parametrize("name", NAMES)
def test_function_has_exactly_the_orderings_of_its_protocol(bodies, name):
    assert bodies[name].orderings == tuple(NAMES[name])


@pytest.mark.parametrize("name", NAMES)
def test_function_never_calls_numbas_runtime_and_raises_nothing(bodies, name):
    assert not [call for call in bodies[name].calls if call.startswith(("NRT_", "Py", "numba_"))]


@pytest.mark.parametrize("name", ["push", "push_batch"])
def test_payload_is_written_after_the_acquire_and_before_the_release(bodies, name):
    body = bodies[name]
    (acquire,), (release,) = (
        body.places(r"load atomic .* acquire"),
        body.places(r"store atomic .* release"),
    )
    payload = body.places(r"store (atomic i64.* monotonic|<8 x i64>)")
    assert payload
    assert acquire < min(payload)
    assert max(payload) < release


@pytest.mark.parametrize("name", ["pop", "pop_batch"])
def test_payload_is_read_after_the_acquire_and_before_the_release(bodies, name):
    body = bodies[name]
    (acquire,), (release,) = (
        body.places(r"load atomic .* acquire"),
        body.places(r"store atomic .* release"),
    )
    payload = body.places(r"load <8 x i64>")
    assert payload
    assert acquire < min(payload)
    assert max(payload) < release


def test_sleeper_is_looked_at_behind_the_fence(bodies):
    body = bodies["notify"]
    (fence,) = body.places("fence seq_cst")
    assert fence < min(body.places(r"load atomic .* acquire"))


def test_sleeper_fences_between_its_flag_and_its_last_look():
    body = Body(wait._sleep, 2)
    (fence,) = body.places("fence seq_cst")
    flag, awake = body.places(r"store atomic .* release")
    looks = body.places(r"load atomic .* acquire")
    assert len(looks) == 3  # the bell; before the futex; after it
    assert looks[0] < flag < fence < looks[1] < looks[2] < awake


@pytest.mark.parametrize(("name", "n_arguments"), [("broadcast", 2), ("deliver", 3)])
def test_broadcast_calls_only_its_own_parts_and_the_clock(name, n_arguments):
    body = Body(getattr(broadcast, name), n_arguments)
    foreign = {call for call in body.calls if "livekit4ring" not in call}
    assert {call for call in foreign if not call.startswith("llvm.")} <= {"clock_gettime"}
    assert body.orderings[2] == 0


def test_offer_to_one_ring_looks_at_the_reader_once_and_publishes_once():
    body = Body(broadcast._offer, 4)
    acquires, releases, fences = body.orderings
    # One look for room; `claim` after it knows of room and looks again only in theory.
    assert acquires <= 2
    # The event itself, and the gap before it where that is inlined.
    assert 1 <= releases <= 2
    assert fences == 0


@pytest.mark.parametrize("name", NAMES)
def test_aarch64_orders_with_ldar_and_stlr(bodies, name):
    acquires, releases, fences = NAMES[name]
    text = bodies[name].assembly("aarch64")
    if acquires:
        assert re.search(r"\bldap?u?r\b", text)
    if releases:
        assert re.search(r"\bstlu?r\b", text)
    if fences:
        assert re.search(r"\bdmb\s+ish\b", text)


@pytest.mark.parametrize("name", NAMES)
def test_x86_64_orders_with_plain_moves_and_fences_only_for_sleepers(bodies, name):
    text = bodies[name].assembly("x86_64")
    assert "mov" in text
    has_fence = bool(re.search(r"\bmfence\b|\block\b", text))
    assert has_fence == bool(NAMES[name][2])


def test_spin_on_an_acquire_load_keeps_the_load_in_the_loop():
    def spin(address):
        while load_acquire(address) == 0:
            pass

    def spin_plainly(address):
        while load_i64(address) == 0:
            pass

    # A loop is rotated into a block that phis and loads and branches back to itself. What
    # the intrinsics are for: the plain load is taken out of it, and it never ends.
    assert _loads_in_last_block(Body(spin, 1)) == 1
    assert _loads_in_last_block(Body(spin_plainly, 1)) == 0


def _loads_in_last_block(body):
    loops = [block for block in body.blocks if block[-1].startswith("br ")]
    return sum(" load " in line for line in loops[-1])


def test_plain_stores_would_fail_these_checks():
    def commit_plainly(side):
        view = np.int64(side)
        return view + load_i64(side)

    assert Body(commit_plainly, 1).orderings == (0, 0, 0)


@pytest.fixture
def copied_package(tmp_path, monkeypatch):
    package = tmp_path / "livekit"
    shutil.copytree(jit._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "_PACKAGE", package)
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path / "cache"))
    jit.source_hash.cache_clear()
    yield package
    jit.source_hash.cache_clear()


def test_cache_folder_is_named_by_the_hash_of_all_sources(copied_package):
    before = jit.cache_folder()
    assert before.name == jit.source_hash()
    assert before.stat().st_mode & 0o777 == 0o700
    with (copied_package / "events.py").open("a") as file:
        file.write("# changed\n")
    jit.source_hash.cache_clear()
    assert jit.cache_folder() != before


def test_cache_folder_changes_with_the_compiler(copied_package, monkeypatch):
    before = jit.source_hash()
    monkeypatch.setattr(numba, "__version__", "0.0.0")
    jit.source_hash.cache_clear()
    assert jit.source_hash() != before


def test_cache_folder_that_others_may_write_is_refused(copied_package):
    jit.cache_folder().chmod(0o777)
    with pytest.raises(ConfigError, match="cache folder"):
        jit.cache_folder()


def test_hot_functions_leave_numbas_own_cache_setting_alone(copied_package):
    before = numba.config.CACHE_DIR
    jit.hot(lambda: 1)
    assert before == numba.config.CACHE_DIR
