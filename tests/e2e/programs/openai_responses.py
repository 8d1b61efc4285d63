"""Tests OpenRunner's Responses API with OpenAI's Python client, which reads OPENAI_BASE_URL and OPENAI_API_KEY.

With an argument, it only resumes a stream: the file has the id of a response and the number of the last event that was received.
"""

import json
import os
import sys
import time

import openai

client = openai.OpenAI(max_retries=0)


def raises(kind, code, call):
    try:
        call()
    except kind as error:
        assert error.code == code, (error.code, str(error))
        return error
    raise AssertionError(f"no {kind.__name__}")


def until_killed(state):
    """Streams a long response, and stores after each event where to resume."""
    text = ""
    try:
        for event in client.responses.create(model="demo", input="slow count to 40", stream=True):
            if event.type == "response.created":
                response = event.response.id
            text += event.delta if event.type == "response.output_text.delta" else ""
            known = {"response": response, "number": event.sequence_number, "text": text}
            with open(state + ".new", "w") as file:
                json.dump(known, file)
            os.replace(state + ".new", state)
    except (openai.APIConnectionError, openai.APIError):
        return
    raise AssertionError("the response ended before the server was killed")


def resume(state):
    with open(state) as file:
        known = json.load(file)
    number, text, last = known["number"], known["text"], None
    for event in client.responses.retrieve(known["response"], stream=True, starting_after=number):
        number += 1
        assert event.sequence_number == number, (event.sequence_number, number)
        text += event.delta if event.type == "response.output_text.delta" else ""
        last = event
    assert last.type == "response.completed", last
    assert last.response.output_text == text, (last.response.output_text, text)
    assert client.responses.retrieve(known["response"]) == last.response
    # The whole stream, through the client's own accumulation.
    with client.responses.stream(response_id=known["response"]) as stream:
        numbers = [event.sequence_number for event in stream]
        assert numbers == list(range(number + 1)), numbers
        assert stream.get_final_response().output_text == text


def everything():
    # Without streaming.
    whole = client.responses.create(model="demo", input="hello", instructions="be brief", metadata={"team": "a"}, temperature=0.2)
    assert (whole.status, whole.object, whole.error) == ("completed", "response", None), whole
    assert whole.output_text and whole.usage.total_tokens >= whole.usage.output_tokens, whole
    assert client.responses.retrieve(whole.id) == whole
    items = list(client.responses.input_items.list(whole.id))
    assert (items[0].role, items[0].content[0].text) == ("user", "hello"), items

    # In the session of the previous response, also if its items are sent back.
    again = client.responses.create(model="demo", input="and again", previous_response_id=whole.id)
    assert again.openrunner["session_id"] == whole.openrunner["session_id"], again
    history = [{"role": "user", "content": "hello"}, *again.output, {"role": "user", "content": "once more"}]
    more = client.responses.create(model="demo", input=history)
    assert more.openrunner["session_id"] == whole.openrunner["session_id"], more

    # With streaming, by the client's helper, thinking included.
    with client.responses.stream(model="demo", input="fast think and say hello", tools=[]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed"), kinds
    assert "response.reasoning_summary_text.delta" in kinds, kinds
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text == client.responses.retrieve(final.id).output_text, (text, final)

    # In the background.
    later = client.responses.create(model="demo", input="hello", background=True)
    assert later.status in ("queued", "in_progress"), later
    while later.status in ("queued", "in_progress"):
        time.sleep(0.2)
        later = client.responses.retrieve(later.id)
    assert (later.status, later.background) == ("completed", True), later

    # Cancelled and deleted.
    slow = client.responses.create(model="demo", input="hang", background=True)
    assert client.responses.cancel(slow.id).status == "cancelled"
    assert client.responses.retrieve(slow.id).status == "cancelled"
    client.responses.delete(slow.id)
    raises(openai.NotFoundError, "not_found", lambda: client.responses.retrieve(slow.id))

    # Errors are those of the client.
    create = client.responses.create
    raises(openai.NotFoundError, "model_not_found", lambda: create(model="gpt-4o", input="hello"))
    tool = {"type": "function", "name": "f", "parameters": {}, "strict": False}
    required = lambda: create(model="demo", input="hello", tools=[tool], tool_choice="required")
    assert raises(openai.BadRequestError, "unsupported_parameter", required).param == "tool_choice"
    assert create(model="demo", input="hello", tools=[tool], store=False).output_text
    raises(openai.InternalServerError, "crashed", lambda: create(model="demo", input="fast fail crashed"))


if len(sys.argv) == 1:
    everything()
else:
    {"until-killed": until_killed, "resume": resume}[sys.argv[1]](sys.argv[2])
print("all is well")
