"""What the owner of a server may choose."""

from etcdpy.transport import ServerOptions


class TestServerOptions:
    def test_streams_are_limited_even_if_that_is_not_advertised(self) -> None:
        assert ServerOptions().live_streams == 10_000
        assert ServerOptions(max_concurrent_streams=7).live_streams == 7
