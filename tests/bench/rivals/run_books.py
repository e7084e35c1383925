"""Time order-book libraries of Python on updates that are decoded already.

    python run_books.py UPDATES.json RUNS

The file holds {"snapshot": [bids, asks], "updates": [[bids, asks], ...]}, levels as [price,
size] numbers. Each library gets each update, size 0 deletes, and then reads the best five
levels of both sides. Prints JSON: for each library its version and ns an update, run by run.
"""

import json
import sys
import time
from decimal import Decimal
from importlib import metadata
from pathlib import Path


def levels(rows, kind):
    """Return levels as tuples of a kind of number."""
    return [(kind(str(price)), kind(str(size))) for price, size in rows]


def order_book_sides(snapshot, kind):
    """Bmoscon's orderbook, written in C."""
    from order_book import OrderBook

    book = OrderBook()
    book.bids, book.asks = (dict(levels(side, kind)) for side in snapshot)
    depth = range(5)

    def apply(bids, asks):
        side = book.bids
        for price, size in bids:
            if size:
                side[price] = size
            elif price in side:
                del side[price]
        best = [side.index(k) for k in depth]
        side = book.asks
        for price, size in asks:
            if size:
                side[price] = size
            elif price in side:
                del side[price]
        return best, [side.index(k) for k in depth]

    return apply


def sorted_dict_sides(snapshot, kind):
    """Two SortedDicts, bids under their negative price."""
    from sortedcontainers import SortedDict

    own = SortedDict({-price: size for price, size in levels(snapshot[0], kind)})
    other = SortedDict(dict(levels(snapshot[1], kind)))

    def apply(bids, asks):
        for price, size in bids:
            if size:
                own[-price] = size
            else:
                own.pop(-price, None)
        for price, size in asks:
            if size:
                other[price] = size
            else:
                other.pop(price, None)
        return own.items()[:5], other.items()[:5]

    return apply


LIBRARIES = {
    "order-book, Decimal": ("order_book", order_book_sides, Decimal),
    "order-book, float": ("order_book", order_book_sides, float),
    "sortedcontainers, float": ("sortedcontainers", sorted_dict_sides, float),
}


def main(path, runs):
    """Time every library that is there, in turn."""
    work = json.loads(Path(path).read_text(encoding="utf-8"))
    found = {}
    for name, (package, make, kind) in LIBRARIES.items():
        try:
            apply = make(work["snapshot"], kind)
        except ImportError:
            continue
        updates = [(levels(bids, kind), levels(asks, kind)) for bids, asks in work["updates"]]
        found[name] = {"version": metadata.version(package), "apply": apply, "ns": []}
        found[name]["updates"] = updates
    for _ in range(runs):
        for one in found.values():
            apply = one["apply"]
            start = time.process_time_ns()
            for bids, asks in one["updates"]:
                apply(bids, asks)
            one["ns"].append((time.process_time_ns() - start) / len(one["updates"]))
    keep = ("version", "ns")
    said = {name: {key: one[key] for key in keep} for name, one in found.items()}
    sys.stdout.write(json.dumps(said) + "\n")


main(sys.argv[1], int(sys.argv[2]))
