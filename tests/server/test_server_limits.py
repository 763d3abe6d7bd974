"""Whatever clients do, each gets an answer and the server stays up."""

import concurrent.futures
import gzip
import http.client
import json
import socket
import time

import pytest
from starlette.testclient import TestClient

from featsr_tf.server import ServerOptions
from featsr_tf.server.app import create_app
from tests.server.running_server import SlowModel
from tests.server.running_server import read_all
from tests.server.running_server import running
from tests.server.running_server import send

PATH = "/v1/models/slow:predict"


def body(value=1):
    return json.dumps({"instances": [[[[value, 0, 0]]]]}).encode()


def head(length, extra=""):
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        f"Content-Length: {length}\r\n{extra}\r\n"
    ).encode()


def ask(port, value=1):
    """Returns code, headers and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", PATH, body(value))
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.headers, answer


def test_at_four_times_the_capacity_everyone_gets_an_answer(toy_model):
    model = SlowModel(toy_model, 0.05)
    options = ServerOptions(queue_size=5)
    # 5 may wait and 1 is run: 24 clients at once, each with 4 requests.
    with (
        running(create_app(model, options)) as port,
        concurrent.futures.ThreadPoolExecutor(24) as clients,
    ):
        values = [n % 200 for n in range(96)]
        answers = list(clients.map(lambda n: ask(port, n), values))
    codes = [code for code, _, _ in answers]
    assert set(codes) == {200, 503}
    for value, (code, headers, answer) in zip(values, answers, strict=True):
        if code == 200:
            assert answer == {"predictions": [{"sum": float(value)}]}
        else:
            assert headers["Retry-After"] == "1"
            assert "try again" in answer["error"]
    assert codes.count(200) == sum(model.batches)


def test_too_many_uploads_at_once_are_told_to_try_again(toy_model):
    options = ServerOptions(queue_size=1, timeout_s=5)
    app = create_app(SlowModel(toy_model, 0.0), options)
    with running(app) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for connection in slow:
            connection.sendall(head(1000))
        time.sleep(0.3)
        code, headers, answer = ask(port)
        assert (code, headers["Retry-After"]) == (503, "1")
        assert "too many requests" in answer["error"]
        for connection in slow:
            connection.close()
        time.sleep(0.3)
        assert ask(port)[0] == 200


def test_a_slow_answer_is_given_up(toy_model):
    options = ServerOptions(timeout_s=0.2)
    with running(create_app(SlowModel(toy_model, 1.0), options)) as port:
        start = time.monotonic()
        code, _, answer = ask(port)
        assert code == 504
        assert answer == {"error": "no answer within 0.2 s"}
        assert time.monotonic() - start < 0.9


def test_what_was_given_up_is_not_run(toy_model):
    model = SlowModel(toy_model, 0.6)
    options = ServerOptions(timeout_s=0.3)
    with (
        concurrent.futures.ThreadPoolExecutor(3) as clients,
        running(create_app(model, options)) as port,
    ):
        codes = [answer[0] for answer in clients.map(ask, [port] * 3)]
    assert codes == [504] * 3
    assert model.batches == [1]


@pytest.mark.parametrize("sent", [b"", body()[:5]])
def test_a_client_that_never_ends_is_given_up(toy_model, sent):
    options = ServerOptions(timeout_s=0.3)
    with running(create_app(SlowModel(toy_model, 0.0), options)) as port:
        start = time.monotonic()
        answer = send(port, head(1000) + sent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"no complete request in 0.3 s" in answer
        assert time.monotonic() - start < 6
        assert ask(port)[0] == 200


def test_a_client_that_drips_is_given_up(toy_model):
    options = ServerOptions(timeout_s=0.5)
    with (
        running(create_app(SlowModel(toy_model, 0.0), options)) as port,
        socket.create_connection(("127.0.0.1", port), 10) as connection,
    ):
        connection.sendall(head(1000))
        for _ in range(4):
            connection.sendall(b" ")
            time.sleep(0.1)
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_is_forgotten(toy_model):
    with running(
        create_app(SlowModel(toy_model, 0.0), ServerOptions())
    ) as port:
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(head(1000) + b"{")
            connection.close()
        assert ask(port)[0] == 200


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_that_is_too_long_is_refused(toy_model, is_announced):
    options = ServerOptions(max_body_mb=0.01)
    content = b" " * 200_000
    with running(create_app(SlowModel(toy_model, 0.0), options)) as port:
        if is_announced:
            request = head(len(content)) + content
        else:
            start = head(0).replace(
                b"Content-Length: 0", b"Transfer-Encoding: chunked"
            )
            request = start + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        answer = send(port, request)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'{"error": "the body is longer than 0.01 MB"}' in answer


def test_a_long_body_is_refused_while_it_comes(toy_model):
    options = ServerOptions(max_body_mb=0.01)
    with running(create_app(SlowModel(toy_model, 0.0), options)) as port:
        # It announces a gigabyte, sends little, and hears of it all the same.
        answer = send(port, head(10**9) + b" " * 20_000)
        assert answer.startswith(b"HTTP/1.1 413 ")


PACKED = gzip.compress(body(7), mtime=0)
BOMB = gzip.compress(bytes(10**8), mtime=0)


@pytest.mark.parametrize(
    ("encoding", "content", "code", "answer"),
    [
        ("gzip", PACKED, 200, {"predictions": [{"sum": 7.0}]}),
        ("X-GZIP", PACKED, 200, {"predictions": [{"sum": 7.0}]}),
        # Two files one after the other are one.
        (
            "gzip",
            gzip.compress(body(7)[:9], mtime=0)
            + gzip.compress(body(7)[9:], mtime=0),
            200,
            {"predictions": [{"sum": 7.0}]},
        ),
        ("identity", body(7), 200, {"predictions": [{"sum": 7.0}]}),
        ("gzip", BOMB, 413, {"error": "the body is longer than 0.1 MB"}),
        (
            "gzip",
            PACKED[:-4],
            400,
            {"error": "the body is cut off: its gzip data has no end"},
        ),
        (
            "gzip",
            body(7),
            400,
            {
                "error": "the body is damaged, or not packed with gzip as its "
                "Content-Encoding says: Error -3 while decompressing data: "
                "incorrect header check"
            },
        ),
        (
            "br",
            PACKED,
            415,
            {"error": "Content-Encoding 'br': expected gzip, or none"},
        ),
    ],
)
def test_a_packed_body(toy_model, encoding, content, code, answer):
    app = create_app(SlowModel(toy_model, 0.0), ServerOptions(max_body_mb=0.1))
    with TestClient(app) as client:
        headers = {"Content-Encoding": encoding}
        response = client.post(PATH, content=content, headers=headers)
    assert (response.status_code, response.json()) == (code, answer)


def test_a_polite_client_need_not_send_what_is_too_long(toy_model):
    options = ServerOptions(max_body_mb=0.01)
    with running(create_app(SlowModel(toy_model, 0.0), options)) as port:
        start = time.monotonic()
        answer = send(port, head(10**9, "Expect: 100-continue\r\n"))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - start < 1.5


def test_a_fault_of_the_server_is_no_trace(toy_model):
    class BrokenModel(SlowModel):
        def run(self, signature, batch):
            raise RuntimeError("secret")

    app = create_app(BrokenModel(toy_model, 0.0), ServerOptions())
    with running(app) as port:
        code, _, answer = ask(port)
        assert code == 500
        assert answer == {"error": "the server failed; see its log"}
        assert ask(port)[0] == 500


def test_what_was_taken_is_finished_before_the_end(toy_model):
    model = SlowModel(toy_model, 0.5)
    with concurrent.futures.ThreadPoolExecutor(1) as clients:
        with running(create_app(model, ServerOptions())) as port:
            future = clients.submit(ask, port, 7)
            while not model.batches:
                time.sleep(0.01)
        code, _, answer = future.result(10)
    assert (code, answer) == (200, {"predictions": [{"sum": 7.0}]})
