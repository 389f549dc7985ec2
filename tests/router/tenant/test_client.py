"""The tenant's view of a client is what the gateway's endpoint and the tests' listener have."""

import inspect

import pytest

from relevo.router.gateway.endpoint import ClientEndpoint
from relevo.router.tenant.client import Client
from tests.router.tenant.test_fanout import Listener


def members(kind: type) -> dict[str, object]:
    """Return the public members that a protocol names: methods, properties and attributes."""
    named = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
    return named | dict.fromkeys(inspect.get_annotations(kind))


def parameters(method: object) -> list[str]:
    assert callable(method)
    return list(inspect.signature(method).parameters)


@pytest.mark.parametrize("implementation", [ClientEndpoint, Listener])
def test_methods_of_a_client_take_what_the_tenant_gives(implementation: type) -> None:
    for name, member in members(Client).items():
        if inspect.isfunction(member):
            assert parameters(getattr(implementation, name)) == parameters(member), name


def test_endpoint_has_what_the_tenant_knows_of_a_client() -> None:
    assert members(Client).keys() <= set(dir(ClientEndpoint))
