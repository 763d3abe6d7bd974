"""A real server on the loopback interface, in a thread of this process."""

import contextlib
import socket
import threading
import time

import uvicorn


@contextlib.contextmanager
def running(app):
    """Serves an application.

    Args:
        app: the application.

    Yields:
        The port.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class SlowModel:
    """Takes its time for each batch, and gives back the sum of each row."""

    name, version, has_base, class_names = "slow", 1, False, {1: "one"}
    looks_again = False

    def __init__(self, model, seconds):
        """Takes the place of another model.

        Args:
            model: what tells about signatures.
            seconds: for a batch.
        """
        self.input_spec = model.input_spec
        self.signature_defs = model.signature_defs
        self.seconds = seconds
        self.batches = []

    def signature_of(self, base):
        """Names the only one."""
        return "image"

    def run(self, signature, batch):
        self.batches.append(len(batch))
        time.sleep(self.seconds)
        return {"sum": batch.reshape(len(batch), -1).sum(1).astype("float32")}


def send(port, request, timeout=20):
    """Sends bytes and returns all that comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection):
    """Returns all bytes up to the end of a connection."""
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)
