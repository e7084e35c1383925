"""R13 at its figure: a million mutants for each parser, and only FeedError gets out.

Injected: the simulator's and captured messages with values replaced by hostile ones,
bytes changed, inserted, removed and repeated, messages joined and cut off. Checked: no
other error, what is taken is within its bounds, no event has a price that is not
positive, and memory grows by less than 5 MB. Each parser has a process of its own.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from okx_mutation import PARSERS, Market, Mutator, chain, corpus, seeds_and_parser
from source import ROOT

from livekit.engine.okx.account import AccountSync
from livekit.errors import FeedError
from livekit.instruments import Instrument
from livekit.okx.private import parse_private

MUTANTS = 1_000_000
MAX_GROWTH = 5_000_000


@pytest.mark.parametrize("name", PARSERS)
def test_messages_of_the_corpus_are_taken_as_they_are(name):
    seeds, parser = seeds_and_parser(name)
    refused = []
    for seed in seeds:
        try:
            parser(seed)
        except FeedError as error:
            refused.append(str(error))
    # An answer may carry a code, which is refused in its own words.
    assert all("exchange answered 51603" in text for text in refused)
    assert len(refused) <= 1 < len(seeds)


def test_mutants_are_the_same_for_the_same_seed_and_mostly_unlike_each_other():
    def some(seed):
        mutate = Mutator(corpus("market"), seed)
        return [mutate() for _ in range(2000)]

    assert some(1) == some(1) != some(2)
    assert len(set(some(1))) > 1800
    n_unchanged = sum(mutant in set(corpus("market")) for mutant in some(1))
    assert n_unchanged < 100


def test_books_of_the_corpus_give_events_so_that_mutants_of_them_count():
    normalizer = Market()
    assert [normalizer(frame) for frame in chain()] == [None] * 6
    assert normalizer._normalizer.counts.frames == 6
    assert not normalizer._normalizer.broken


@pytest.mark.torture
def test_only_feed_error_gets_out_of_a_million_mutants_for_each_parser(scale):
    n = round(MUTANTS * scale)

    def torture(name):
        command = [
            sys.executable,
            str(ROOT / "tests" / "okx_mutation.py"),
            name,
            str(n),
            "20260822",
        ]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=3600)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = dict(zip(PARSERS, pool.map(torture, PARSERS), strict=True))
    for name, one in done.items():
        assert one.returncode == 0, one.stderr[-3000:]
        told = json.loads(one.stdout)
        print(name, told)  # noqa: T201 - the figure
        assert told["inputs"] == n
        assert told["taken"] > n / 50
        assert told["grown_bytes"] < MAX_GROWTH


def test_account_takes_mutated_answers_and_pushes_without_an_error():
    instruments = (
        Instrument("BTC-USDT", 0.1, 0.00001, 0.00001),
        Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap"),
    )
    account = AccountSync(instruments)
    answers = {}
    for line in corpus("rest"):
        name, _, body = line.partition(b"\t")
        answers.setdefault(name.decode(), body)
    parsers = {
        "config": "parse_account_config",
        "balance": "parse_balance",
        "positions": "parse_positions",
        "fee": "parse_trade_fee",
        "instruments": "parse_listings",
    }
    mutators = {word: Mutator([answers[name]], 3) for word, name in parsers.items()}
    mutate_push = Mutator(corpus("private"), 4)
    for number in range(3000):
        for call in account.calls():
            word = next(word for word in parsers if word in call.path)
            assert account.take_answer(call.path, 200, mutators[word](), number)
        try:
            account.take_push(parse_private(mutate_push()), number)
        except FeedError:
            continue
    assert account.describe()["problem"] == account.problem
