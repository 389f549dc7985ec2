from relevo.router.tenant.pending_disconnects import Departures


def test_a_tenants_departures_are_taken_once() -> None:
    gone = Departures(100)
    for connection_id in ("c1", "c2", "c1"):
        gone.add("acme", "ana", connection_id)
    gone.add("globex", "ana", "c3")
    assert len(gone) == 3
    assert gone.take("acme") == [("ana", "c1"), ("ana", "c2")]
    assert (gone.take("acme"), gone.take("nobody")) == ([], [])
    assert len(gone) == 1


def test_beyond_the_bound_a_tenants_oldest_are_forgotten() -> None:
    gone = Departures(3)
    gone.add("globex", "bob", "c")
    for number in range(100):
        gone.add("acme", "ana", f"c{number}")
        assert len(gone) <= 3
    assert gone.take("acme") == [("ana", "c98"), ("ana", "c99")]
    assert gone.take("globex") == [("bob", "c")]


def test_of_a_tenant_that_came_when_all_was_full_none_is_kept() -> None:
    gone = Departures(1)
    gone.add("globex", "bob", "c")
    gone.add("acme", "ana", "c")
    assert (gone.take("acme"), len(gone)) == ([], 1)
