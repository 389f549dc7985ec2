from relevo.router.tenant.registration import PendingDisconnects


def test_a_tenants_departures_are_taken_once() -> None:
    pending = PendingDisconnects(100)
    for connection_id in ("c1", "c2", "c1"):
        pending.add("acme", "ana", connection_id)
    pending.add("globex", "ana", "c3")
    assert len(pending) == 3
    assert pending.take("acme") == [("ana", "c1"), ("ana", "c2")]
    assert (pending.take("acme"), pending.take("nobody")) == ([], [])
    assert len(pending) == 1


def test_beyond_the_bound_a_tenants_oldest_are_forgotten() -> None:
    pending = PendingDisconnects(3)
    pending.add("globex", "bob", "c")
    for number in range(100):
        pending.add("acme", "ana", f"c{number}")
        assert len(pending) <= 3
    assert pending.take("acme") == [("ana", "c98"), ("ana", "c99")]
    assert pending.take("globex") == [("bob", "c")]


def test_of_a_tenant_that_came_when_all_was_full_none_is_kept() -> None:
    pending = PendingDisconnects(1)
    pending.add("globex", "bob", "c")
    pending.add("acme", "ana", "c")
    assert (pending.take("acme"), len(pending)) == ([], 1)
