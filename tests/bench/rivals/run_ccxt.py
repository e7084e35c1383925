"""Watch trades and books with ccxt.pro for a while, and say what a message cost.

    python run_ccxt.py URL SECONDS SYMBOL ...

The address is a simulator's. Prints JSON: messages taken in, calls back to the user, and
seconds of processor time, from the first message after a second of warming up.
"""

import asyncio
import json
import sys
import time

import ccxt
import ccxt.pro


class Counting(ccxt.pro.okx):
    """Counts messages."""

    n_messages = 0

    def handle_message(self, client, message):
        """Count and pass on."""
        self.n_messages += 1
        return super().handle_message(client, message)


async def watch(call, symbol, seen):
    """Call back for every update, as a user would."""
    while True:
        found = await call(symbol)
        seen["callbacks"] += 1
        seen["last"] = found[-1]["price"] if isinstance(found, list) else found["bids"][0][0]


async def main(url, seconds, symbols):
    """Watch until the time is over."""
    client = Counting({"enableRateLimit": False, "newUpdates": True})
    client.urls["api"] = {"rest": url, "ws": url.replace("http", "ws") + "/ws/v5"}
    client.headers = {"x-simulated-trading": "1"}
    await client.load_markets()
    seen = {"callbacks": 0, "last": 0.0}
    tasks = [
        asyncio.ensure_future(watch(call, symbol, seen))
        for symbol in symbols
        for call in (client.watch_trades, client.watch_order_book)
    ]
    await asyncio.sleep(2.0)
    cpu, n, calls, began = time.process_time(), client.n_messages, seen["callbacks"], time.time()
    await asyncio.sleep(seconds)
    said = {
        "messages": client.n_messages - n,
        "callbacks": seen["callbacks"] - calls,
        "cpu_s": time.process_time() - cpu,
        "seconds": time.time() - began,
        "version": ccxt.__version__,
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    sys.stdout.write(json.dumps(said) + "\n")


asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
