"""Calls the echo service through the gateway and prints what came of it as JSON: {sentence: "" or what went wrong}."""

import argparse
import json
import sys
import time
from pathlib import Path

import grpc

SECOND = 10


def calls(channel, key):
    """The sentences and what stands behind them."""

    def unary(name):
        return channel.unary_unary(f"/test.Echo/{name}")

    metadata = (("x-api-key", key), ("x-auth-request-user", "forged"))

    def says():
        answer, call = unary("Say").with_call(b"hello", metadata=metadata, timeout=SECOND)
        trailers = dict(call.trailing_metadata())
        wanted = (b"hello", True, "")
        return wanted, (answer, bool(trailers.get("seen-request-id")), trailers.get("seen-key"))

    def large():
        text = b"x" * (3 << 20)
        answer = unary("Say")(text, metadata=metadata, timeout=SECOND)
        return len(text), len(answer)

    def counts():
        stream = channel.unary_stream("/test.Echo/Count")
        return list(range(200)), [int(one) for one in stream(b"200", metadata=metadata, timeout=SECOND)]

    def gathers():
        stream = channel.stream_unary("/test.Echo/Gather")
        return b"100000", stream((b"y" * 1000 for _ in range(100)), metadata=metadata, timeout=SECOND)

    def chats():
        heard = []

        def texts():
            for n in range(20):
                deadline = time.monotonic() + SECOND
                while len(heard) < n and time.monotonic() < deadline:
                    time.sleep(0.002)
                yield str(n).encode()

        stream = channel.stream_stream("/test.Echo/Chat")
        for one in stream(texts(), metadata=metadata, timeout=SECOND):
            heard.append(one)
        return [f"you said {n}".encode() for n in range(20)], heard

    def status_of(name, request, timeout=SECOND, with_key=True):
        try:
            unary(name)(request, metadata=metadata if with_key else (), timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""

    def fails():
        return ("FAILED_PRECONDITION", "not on a Sunday: ünfair"), status_of("Fail", b"")

    def unknown():
        return "UNIMPLEMENTED", status_of("Nothing", b"")[0]

    def deadline():
        return "DEADLINE_EXCEEDED", status_of("Sleep", b"20", timeout=0.5)[0]

    def refused():
        return "UNAUTHENTICATED", status_of("Say", b"hello", with_key=False)[0]

    return {
        "a unary call and its trailers pass, the key stays at the gateway": says,
        "a message of 3 MiB passes both ways": large,
        "a stream of answers passes in order": counts,
        "a stream of requests passes": gathers,
        "both sides talk at once, each answer before the next request": chats,
        "the service's own status and message pass, in letters beyond ASCII too": fails,
        "a method that is not there is the service's word": unknown,
        "a deadline ends the call": deadline,
        "a call without a key is refused as unauthenticated": refused,
    }


def main():
    """Makes every call once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--authority", type=Path, required=True, help="the certificate authority's certificate")
    parser.add_argument("--name", required=True, help="the name that the certificate is for")
    parser.add_argument("--key", required=True, help="an API key")
    arguments = parser.parse_args()
    credentials = grpc.ssl_channel_credentials(arguments.authority.read_bytes())
    options = [
        ("grpc.ssl_target_name_override", arguments.name),
        ("grpc.max_receive_message_length", 16 << 20),
        ("grpc.enable_http_proxy", 0),
    ]
    told = {}
    with grpc.secure_channel(arguments.target, credentials, options) as channel:
        for sentence, call in calls(channel, arguments.key).items():
            try:
                wanted, found = call()
                told[sentence] = "" if wanted == found else f"wanted {wanted!r:.200}, found {found!r:.200}"
            except grpc.RpcError as error:
                told[sentence] = f"{error.code()}: {error.details()}"
    print(json.dumps(told))


if __name__ == "__main__":
    sys.exit(main())
