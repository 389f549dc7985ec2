"""Lists: whole, in their order, and compared as what they are."""

import pytest

from tests.e2e.office import ANYBODY, Office, to_agent, to_department


@pytest.mark.slow
@pytest.mark.origin("the transfer list showed only the newest ten")
async def test_the_transfer_list_shows_more_than_the_newest_ten(office: Office) -> None:
    await office.put_agent("bob")
    ana = await office.connect_agent("ana", capacity=40)
    sent = [f"chat-{number}" for number in range(25)]
    for session_id in sent:
        await office.open_session(session_id, agent="ana")
        await ana.command("session.transfer", session_id=session_id, target=to_agent("bob"))

    pages: list[list[str]] = []
    cursor = None
    while cursor is not None or not pages:
        page = await office.do(
            "session.list", agent_id="bob", limit=10, **({"cursor": cursor} if cursor else {})
        )
        pages.append([one["id"] for one in page["sessions"]])
        cursor = page["cursor"]
    assert pages == [sent[:10], sent[10:20], sent[20:]]
    bob = await office.connect_agent("bob", on=1)
    assert [one["id"] for one in bob.welcome["inbox"]["pending"]] == sent
    # And so is whom one may send it to.
    for number in range(40):
        await office.put_agent(f"agent-{number}")
    shown = await bob.open_dialog()
    await bob.until(lambda: len(shown.agents) == 42, "everybody in the dialog")


@pytest.mark.origin("a freed slot went to a newer chat than the one that waited longest")
async def test_a_freed_slot_goes_to_the_chat_that_waited_longest(office: Office) -> None:
    for department_id in ("sales", "billing"):
        await office.put_department(department_id)
    ana = await office.connect_agent("ana", departments=["sales", "billing"], capacity=1)
    await office.open_session("held", department="sales")
    # The oldest is in the department that she names last, and was asked for on the other router.
    waiting = [("chat-0", "billing"), ("chat-1", "sales"), ("chat-2", "billing"), ("chat-3", "sales")]
    for number, (session_id, department_id) in enumerate(waiting):
        await office.do(
            "session.open",
            on=number % 2,
            session_id=session_id,
            customer=ANYBODY,
            target=to_department(department_id),
        )
    held = "held"
    for session_id, _ in waiting:
        await ana.command("session.close", session_id=held)
        await ana.expect_push("session.assigned", session__id=session_id)
        held = session_id


@pytest.mark.origin("text limits were compared as strings")
async def test_limits_are_compared_as_numbers(office: Office) -> None:
    # As strings "9" is more than "10", and "1000" less than "999".
    ana = await office.connect_agent("ana", capacity=10)
    states = [(await office.open_session(f"chat-{number}", agent="ana"))["state"] for number in range(11)]
    assert states == ["in_progress"] * 10 + ["pending"]
    for length in (9, 10, 99, 100, 999, 1000, 4000):
        await ana.command("session.note", session_id="chat-0", text="x" * length)
    assert (await ana.refused("session.note", session_id="chat-0", text="x" * 4001))["code"] == "bad_message"
    await office.put_agent("bob")
    for number, length in enumerate((9, 10, 99, 100, 999, 1000)):
        await ana.command(
            "session.transfer", session_id=f"chat-{number}", target=to_agent("bob"), reason="x" * length
        )
    refused = await ana.refused(
        "session.transfer", session_id="chat-9", target=to_agent("bob"), reason="x" * 1001
    )
    assert (refused["code"], refused["details"]["path"]) == ("bad_message", "$.reason")
