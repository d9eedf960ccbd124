"""The Auth service asks the node."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import MethodDescriptor

from etcdpy.services.auth import AuthService
from tests.unit.services.doors import asked, methods_of


@pytest.mark.parametrize("method", methods_of("Auth"), ids=lambda method: method.name)
def test_method_asks_the_node_and_gives_its_answer(method: MethodDescriptor) -> None:
    assert asked(AuthService, method)
