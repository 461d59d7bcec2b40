"""A small gRPC service without generated code: texts in, texts out. Prints its port, then serves until it is ended."""

import sys
import time
from concurrent import futures

import grpc


def say(request, context):
    """Answers with the text, and says in trailers what it saw."""
    seen = dict(context.invocation_metadata())
    context.set_trailing_metadata((("seen-request-id", seen.get("x-request-id", "")), ("seen-key", seen.get("x-api-key", ""))))
    return request


def count(request, context):
    """A number of answers, one after the other."""
    for n in range(int(request)):
        yield str(n).encode()


def gather(requests, context):
    """The length of all that came."""
    return str(sum(len(one) for one in requests)).encode()


def chat(requests, context):
    """Answers each text before the next one comes."""
    for one in requests:
        yield b"you said " + one


def fail(request, context):
    """Fails with a status of its own."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not on a Sunday: ünfair")


def sleep(request, context):
    """Takes its time."""
    deadline = time.monotonic() + float(request)
    while context.is_active() and time.monotonic() < deadline:
        time.sleep(0.02)
    if not context.is_active():
        print("cancelled", flush=True)
    return b"awake"


def main():
    """Serves until it is ended."""
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", 16 << 20)])
    methods = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Gather": grpc.stream_unary_rpc_method_handler(gather),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(main())
