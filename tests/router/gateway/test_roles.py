"""The roles by what they may do, against the protocol's roles and the table of commands."""

from typing import get_args

from relevo.protocol.objects import Role
from relevo.router.gateway.commands import RULES
from relevo.router.gateway.roles import AGENTS, ALL, BACK_ENDS


def test_roles_are_those_of_the_protocol() -> None:
    assert set(get_args(Role)) == ALL
    assert AGENTS | BACK_ENDS == ALL


def test_admin_may_do_what_agents_and_back_ends_may() -> None:
    assert {"admin"} == AGENTS & BACK_ENDS


def test_each_command_is_for_a_set_of_these_roles() -> None:
    assert {rule.roles for rule in RULES.values()} <= {AGENTS, BACK_ENDS, ALL}
