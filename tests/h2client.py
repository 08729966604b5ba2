"""One request by HTTP/2, on a socket that is connected already."""

import h2.config
import h2.connection
import h2.events


def exchange(stream, path, scheme="http"):
    """GET it. The heads of all responses as dicts, interim ones too, and the
    body of the last."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(
        client_side=True, header_encoding="utf-8"))
    state.initiate_connection()
    state.send_headers(1, [(":method", "GET"), (":path", path),
                           (":scheme", scheme), (":authority", "localhost")],
                       end_stream=True)
    stream.sendall(state.data_to_send())
    heads, body = [], b""
    while True:
        data = stream.recv(65536)
        assert data, "the server has closed the connection"
        for event in state.receive_data(data):
            if isinstance(event, (h2.events.InformationalResponseReceived,
                                  h2.events.ResponseReceived)):
                heads.append(dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                return heads, body.decode()
        stream.sendall(state.data_to_send())
