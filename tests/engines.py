"""A small recording, and real engine processes on it, for tests."""

import time

import numpy as np

from livekit import clock
from livekit.engine.client import call
from livekit.engine.folder import is_running
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.events import QUOTE, TICKER, TRADE, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog

DAY = "2026-01-05"
START_NS = 1_767_571_200_000_000_000
SYMBOLS = ("BTC-USDT", "ETH-USDT")
N_QUOTES = 4000


def write_recording(folder):
    """Write quotes 10 ms apart, a trade and a ticker after each tenth; return the folder."""
    catalog = Catalog(folder)
    rng = np.random.default_rng(7)
    files, sequence = {}, 0
    for index, (symbol, price, tick) in enumerate(
        zip(SYMBOLS, (90_000.0, 3_000.0), (0.1, 0.01), strict=True)
    ):
        steps = rng.integers(-3, 4, N_QUOTES).cumsum()
        quotes = np.zeros(N_QUOTES, QUOTE)
        _head(quotes, Kind.QUOTE, np.arange(N_QUOTES) * 10_000_000 + index * 1000, sequence)
        quotes["bid_price"] = np.round(price + steps * tick, 2)
        quotes["ask_price"] = np.round(quotes["bid_price"] + tick, 2)
        quotes["bid_size"] = quotes["ask_size"] = 1.0
        trades = np.zeros(N_QUOTES // 10, TRADE)
        _head(trades, Kind.TRADE, quotes["ts_recv"][::10] - START_NS + 100, sequence + 100_000)
        trades["price"], trades["size"] = quotes["ask_price"][::10], 0.1
        trades["trade_id"] = np.arange(len(trades)) + 1
        tickers = np.zeros(N_QUOTES // 10, TICKER)
        _head(tickers, Kind.TICKER, quotes["ts_recv"][::10] - START_NS + 200, sequence + 200_000)
        tickers["last_price"] = trades["price"]
        tickers["bid_price"] = quotes["bid_price"][::10]
        tickers["ask_price"] = quotes["ask_price"][::10]
        tickers["volume"] = 1000.0
        for kind, rows in (
            (Kind.QUOTE, quotes),
            (Kind.TRADE, trades),
            (Kind.TICKER, tickers),
        ):
            files[symbol, kind, DAY] = rows
        sequence += 300_000
    catalog.write_all(files)
    catalog.write_instruments(
        [Instrument("BTC-USDT", 0.1, 1e-5, 1e-5), Instrument("ETH-USDT", 0.01, 1e-4, 1e-4)]
    )
    return folder


def _head(rows, kind, offsets_ns, sequence):
    rows["kind"] = kind
    rows["ts_event"] = rows["ts_recv"] = START_NS + offsets_ns
    rows["sequence"] = sequence + np.arange(len(rows))


def n_events():
    """Return the number of events in the recording."""
    return len(SYMBOLS) * (N_QUOTES + 2 * (N_QUOTES // 10))


def eventually(condition, what="condition", timeout_s=30.0):
    """Poll until `condition()` is true; return its value, or fail with the deadline."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout_s} s"
        time.sleep(0.002)
    return value


class Engines:
    """Starts engines on one recording, and stops them."""

    def __init__(self, recording):
        self.recording = recording
        self.started = []

    def start(self, name="main", **settings):
        answer = start_engine(
            EngineSettings(name=name, **{"data": str(self.recording), "speed": "max", **settings})
        )
        self.started.append((name, answer["pid"]))
        return answer

    def stop_all(self):
        for name, _ in self.started:
            if is_running(name):
                stop_engine(name, force=True)

    def leftovers(self, runtime_dir):
        from livekit.engine.folder import sweep

        sweep()  # what a killed engine left is the next command's to remove
        files = sorted(str(path) for path in runtime_dir.rglob("*"))
        for _, pid in self.started:
            eventually(lambda pid=pid: clock.process_start(pid) == 0, f"end of process {pid}")
        return files


def status(name="main"):
    return call(name, "status")


def row(name, engine="main"):
    """Return one strategy's row of `ps`, None when it is not attached."""
    rows = call(engine, "ps")["strategies"]
    return next((item for item in rows if item["name"] == name), None)


def fork_strategy(
    file, name, *params, engine="main", jit=False, wait="laptop", policy="", klass=""
):
    """Attach a strategy in a child forked from this process, which is warm; return its facts.

    A fresh process would do the same, 0.5 s later: hundreds of faults need hundreds of
    strategies.
    """
    import faulthandler
    import os

    from livekit.engine.attach import introduce
    from livekit.engine.folder import log_path
    from livekit.strategy.main import main

    from_child, child_writes = os.pipe()
    child_reads, to_child = os.pipe()
    log = os.open(log_path(engine, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            faulthandler.disable()  # its file is this process's, and not the child's to write
            os.setsid()
            os.close(from_child)
            os.close(to_child)
            os.dup2(log, 1)
            os.dup2(log, 2)
            arguments = [str(file), "--name", name, "--wait", wait]
            arguments += ["--jit"] if jit else []
            arguments += ["--class", klass] if klass else []
            for param in params:
                arguments += ["--param", param]
            code = main([*arguments, "--pipes", f"{child_reads},{child_writes}"])
        finally:
            os._exit(code)
    for descriptor in (child_reads, child_writes, log):
        os.close(descriptor)
    try:
        return introduce(engine, name, from_child, to_child, policy, time.monotonic() + 60)
    finally:
        os.close(from_child)
        os.close(to_child)


def reap_children():
    """Collect the ends of forked strategies."""
    import os

    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
