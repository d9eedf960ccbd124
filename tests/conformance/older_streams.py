"""RangeStream as etcd 3.7 answers it, worked out from the Range of an etcd that has none."""

from __future__ import annotations

from collections.abc import Iterator

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.older_sorts import has_filters
from tests.conformance.peers import RANGE_STREAM, Ask, Call, Outcome

FIRST_CHUNK = 10
MAX_REQUEST_BYTES = 1572864

_KEY_ORDERS = (
    *((pb.RangeRequest.NONE, target) for target in pb.RangeRequest.SortTarget.values()),
    (pb.RangeRequest.ASCEND, pb.RangeRequest.KEY),
)


def is_stream(call: Call) -> bool:
    return call.method is RANGE_STREAM and isinstance(call.request, pb.RangeRequest)


def has_target_alone(call: Call) -> bool:
    """Tell whether a stream has a sort target other than the key, and no order."""
    if not is_stream(call):
        return False
    assert isinstance(call.request, pb.RangeRequest)
    return call.request.sort_order == pb.RangeRequest.NONE and call.request.sort_target != 0


def streamed(ask: Ask, call: Call) -> Outcome:
    request = call.request
    assert isinstance(request, pb.RangeRequest)
    # etcd: everything but the revision is looked at before what a stream cannot do.
    probe = pb.RangeRequest(
        key=request.key,
        sort_order=request.sort_order,
        sort_target=request.sort_target,
        count_only=True,
    )
    if error := ask(Call.of(probe)).error or _unsupported(request):
        return Outcome.failed(RANGE_STREAM, error)
    whole = ask(Call.of(request))
    if whole.error:
        return Outcome.failed(RANGE_STREAM, whole.error)
    return Outcome.ok(RANGE_STREAM, *_messages(request, whole.reply))


def _unsupported(request: pb.RangeRequest) -> tuple[str, str] | None:
    if (request.sort_order, request.sort_target) not in _KEY_ORDERS:
        return errors.STREAM_SORT
    return errors.STREAM_FILTER if has_filters(request) else None


def _messages(request: pb.RangeRequest, whole: pb.RangeResponse) -> list[pb.RangeStreamResponse]:
    """Cut ``whole`` in pieces: each has keys alone, only the last has header, count and more."""
    # etcd: a negative limit reads everything at once.
    sizes = iter([len(whole.kvs)]) if request.limit < 0 else _chunk_sizes(whole)
    rest = list(whole.kvs)
    chunks: list[pb.RangeResponse] = []
    while rest:
        size = next(sizes)
        chunks.append(pb.RangeResponse(kvs=rest[:size]))
        del rest[:size]
    if not chunks:
        chunks.append(pb.RangeResponse())
    chunks[-1].MergeFrom(pb.RangeResponse(header=whole.header, more=whole.more, count=whole.count))
    return [pb.RangeStreamResponse(range_response=chunk) for chunk in chunks]


def _chunk_sizes(whole: pb.RangeResponse) -> Iterator[int]:
    """etcd: start with 10 keys, double after a small chunk, halve after a big one."""
    size, start = FIRST_CHUNK, 0
    while True:
        yield size
        encoded = pb.RangeResponse(kvs=whole.kvs[start : start + size]).ByteSize()
        start += size
        if encoded < MAX_REQUEST_BYTES // 2:
            size *= 2
        elif encoded > MAX_REQUEST_BYTES * 2:
            size = max(1, size // 2)
