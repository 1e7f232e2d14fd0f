"""A real WebSocket client and server (python3-websockets), and a client for targets that a URL cannot say."""

import asyncio
import socket
import threading

import pytest

from wire import PATIENCE

try:
    import websockets
    from websockets.client import ClientConnection
    from websockets.uri import parse_uri
except ImportError:  # pragma: no cover
    pytest.fail("the stories need websockets (Debian: python3-websockets)")


class EchoServer:
    """Sends every message back, after "echo: ". requests: path and fields of each handshake."""

    def __init__(self, tls=None):
        self.requests = []
        self.loop = asyncio.new_event_loop()
        self.scheme = "https" if tls else "http"
        ready = threading.Event()

        async def handle(connection):
            self.requests.append((connection.path, connection.request_headers))
            async for message in connection:
                await connection.send("echo: " + message if isinstance(message, str) else message)

        async def run():
            self.stopped = asyncio.Event()
            async with websockets.serve(handle, "127.0.0.1", 0, ssl=tls.context() if tls else None, max_size=None) as server:
                self.port = server.sockets[0].getsockname()[1]
                ready.set()
                await self.stopped.wait()

        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(run(),), daemon=True)
        self.thread.start()
        assert ready.wait(PATIENCE)

    def url(self, path):
        return f"{self.scheme}://{'localhost' if self.scheme == 'https' else '127.0.0.1'}:{self.port}{path}"

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join(PATIENCE)
        self.loop.close()


def talk(uri, *messages, **options):
    """Connects with the real client, sends the messages, and returns what came back."""
    async def run():
        async with websockets.connect(uri, max_size=None, open_timeout=PATIENCE, **options) as connection:
            got = []
            for message in messages:
                await connection.send(message)
                got.append(await asyncio.wait_for(connection.recv(), PATIENCE))
            return got
    return asyncio.run(run())


def talk_by_target(address, target, uri, *messages):
    """The same with another request target, such as an absolute URL; uri decides Host."""
    client = ClientConnection(parse_uri(uri))
    request = client.connect()
    request.path = target
    client.send_request(request)
    got = []
    with socket.create_connection(address, PATIENCE) as sock:
        def exchange(until):
            while True:
                for data in client.data_to_send():
                    sock.sendall(data)
                events = client.events_received()
                if events:
                    return until(events)
                data = sock.recv(65536)
                assert data, "the connection ended"
                client.receive_data(data)
        response = exchange(lambda events: events[0])
        assert response.status_code == 101, response
        assert client.handshake_exc is None
        for message in messages:
            client.send_text(message.encode())
            got.append(exchange(lambda events: events[0].data.decode()))
    return got
