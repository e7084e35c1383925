"""REST calls beside the loop: answers through the bell, and a reason where there is none."""

import select
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from livekit.net.doorbell import Doorbell
from livekit.net.rest import Get, RestClient


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode() + b" " + self.headers.get("x-sign", "").encode()
        self.send_response(200 if self.path.startswith("/ok") else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def url():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_answers_come_by_the_bell_in_the_order_of_the_calls(url):
    bell = Doorbell()
    client = RestClient(url, bell, sign=lambda call: {"x-sign": call.path.upper()})
    for k in range(5):
        client.submit(Get(f"/ok/{k}"), k)
    answers = []
    while len(answers) < 5:
        assert select.select([bell], [], [], 10)[0]
        bell.answer()
        answers += client.poll()
    assert [one.token for one in answers] == list(range(5))
    assert [one.body for one in answers] == [b"/ok/%d /OK/%d" % (k, k) for k in range(5)]
    assert all(0 < one.sent_ns <= one.received_ns for one in answers)
    client.close()
    bell.close()


def test_refused_connection_is_an_answer_with_its_reason():
    client = RestClient("http://127.0.0.1:9", timeout_s=1)
    answer = client.request(Get("/"))
    assert answer.status == 0
    assert b"refused" in answer.body
    client.close()


def test_status_of_the_server_is_told(url):
    client = RestClient(url)
    assert client.request(Get("/bad")).status == 503
    client.close()


def test_bell_that_closes_while_calls_are_under_way_harms_no_worker(url):
    """The worker rang the closed bell of an engine that ended, and died of it."""
    bell, may_go = Doorbell(), threading.Event()
    client = RestClient(url, bell, sign=lambda _call: {"x-sign": str(may_go.wait(10))})
    for k in range(2):
        client.submit(Get(f"/ok/{k}"), k)
    bell.close()
    may_go.set()
    answers, deadline = [], time.monotonic() + 10
    while len(answers) < 2:
        assert time.monotonic() < deadline, "the worker is gone"
        answers += client.poll()
    client.close()
    assert [one.status for one in answers] == [200, 200]
