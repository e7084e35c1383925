"""One member of the exchange, without a socket: requests in, pushes and answers out."""

import json

from livekit.instruments import Instrument
from livekit.okxsim.accounts import default_accounts
from livekit.okxsim.channels import Channels
from livekit.okxsim.desk import Desk
from livekit.okxsim.faults import Faults
from livekit.okxsim.hub import Hub, Subscription
from livekit.okxsim.pushes import Pushes
from livekit.okxsim.rates import Rates
from livekit.okxsim.trading import Trading
from livekit.okxsim.world import World

SPOT = Instrument("BTC-USDT", 0.1, 0.00001, 0.00001)


class Listening:
    """A listener that remembers what was pushed."""

    def __init__(self, account=None):
        self.account, self.frames = account, []

    def push(self, frame, channel):
        self.frames.append((channel, json.loads(frame)))

    def rows(self, channel):
        """Return the rows pushed on a channel."""
        return [row for name, frame in self.frames if name == channel for row in frame["data"]]


class Floor:
    """Everything but the port, with BTC-USDT and its swap quoted at 100.0 / 100.1."""

    def __init__(self, *, has_limits=False):
        accounts, keys = default_accounts()
        self.desk, self.hub, self.faults = Desk(), Hub(), Faults()
        self.world = World([SPOT], accounts, keys, self.desk.on_fill)
        self.later = []
        self.pushes = Pushes(self.world, self.hub, lambda *call: self.later.append(call))
        self.desk.world, self.desk.pushes = self.world, self.pushes
        self.rates = Rates(is_on=has_limits)
        self.trading = Trading(self.world, self.desk, self.rates, self.faults)
        self.channels = Channels(self.world, self.hub)
        self.world.quote(0, 100.0, 5.0, 100.1, 5.0)
        self.world.trade(0, 100.0, 0.1, 0)

    def listen(self, name, channel, **arg):
        """Subscribe an account to a private channel."""
        account = self.world.accounts[name]
        listener = Listening(account)
        self.hub.add(Subscription(listener, {"channel": channel, **arg}, (channel, name)))
        return listener

    def watch(self, channel, symbol="BTC-USDT"):
        """Subscribe to a public channel, its snapshot included."""
        listener = Listening()
        subscription = Subscription(
            listener, {"channel": channel, "instId": symbol}, (channel, symbol)
        )
        self.hub.add(subscription)
        self.channels.snapshot(subscription)
        return listener

    def run(self, op, *args, name="alice", **more):
        """Run an operation as over REST; its items, or the refusal."""
        return self.trading.run(
            op, self.world.keys[f"{name}-key"], list(args), by_code=False, **more
        )

    def place(self, name="alice", **values):
        """Place one order and return its item."""
        values = {"instId": "BTC-USDT", "tdMode": "cash", "ordType": "limit", **values}
        return self.run("order", values, name=name)[0]

    def order(self, item, name="alice"):
        """Return the order of an item."""
        return self.world.accounts[name].orders[int(item["ordId"])]

    def run_later(self):
        """Do what was put off."""
        calls, self.later = self.later, []
        for _, function, argument in calls:
            function(argument)
