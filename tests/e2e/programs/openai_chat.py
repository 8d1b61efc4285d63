"""Tests OpenRunner with OpenAI's Python client, which reads OPENAI_BASE_URL and OPENAI_API_KEY."""

import json
import os
import time
import urllib.request

import openai

MODEL = "claude/claude-sonnet-4-5"
TEXT = "Hello! This is the mock model answering in several deltas."

client = openai.OpenAI()


def ask(text, **more):
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def raises(kind, code, call):
    try:
        call()
    except kind as error:
        assert error.code == code, (error.code, str(error))
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(run_id):
    url = os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + f"/api/runs/{run_id}?wait=60"
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


# The models.
assert "claude_code" in [model.id for model in client.models.list()]
assert client.models.retrieve(MODEL).id == MODEL

# Without streaming.
whole = ask("hello [[mock:text]]", temperature=0.2, user="ann")
choice = whole.choices[0]
assert (choice.message.content, choice.message.role, choice.finish_reason) == (TEXT, "assistant", "stop"), whole
assert (whole.usage.completion_tokens, whole.usage.prompt_tokens_details.cached_tokens) == (42, 1000), whole.usage
first = whole.openrunner
assert run(first["run_id"])["status"] == "completed"

# With streaming, thinking and usage.
answer, thought, ends, totals = "", "", [], None
for chunk in ask("think [[mock:thinking]]", stream=True, stream_options={"include_usage": True}):
    totals = chunk.usage or totals
    for choice in chunk.choices:
        answer += choice.delta.content or ""
        thought += getattr(choice.delta, "reasoning_content", None) or ""
        ends += [choice.finish_reason] if choice.finish_reason else []
assert (answer, ends) == ("After thinking: 2 + 2 = 4.", ["stop"]), (answer, ends)
assert thought.startswith("Let me think"), thought
assert totals.completion_tokens == 42, totals

# The session continues with the agent's own history.
again = ask("once more [[mock:history]]", extra_body={"openrunner": {"session_id": first["session_id"]}})
assert again.openrunner["session_id"] == first["session_id"]

# The same idempotency key returns the same run.
keyed = [ask("keyed [[mock:text]]", extra_headers={"Idempotency-Key": "one"}).id for _ in range(2)]
assert keyed[0] == keyed[1], keyed

# Errors are those of the client.
unauthenticated = openai.OpenAI(api_key="orn_wrong")
raises(openai.AuthenticationError, "invalid_api_key", lambda: unauthenticated.models.list())
unknown = lambda: client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
raises(openai.NotFoundError, "model_not_found", unknown)
tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
required = lambda: ask("hello", tools=[tool], tool_choice="required")
assert raises(openai.BadRequestError, "unsupported_parameter", required).param == "tool_choice"

# Offered tools are ignored.
assert ask("hello [[mock:text]]", tools=[tool]).choices[0].message.content == TEXT

# The client does not retry a failed run.
failed = raises(openai.InternalServerError, "not_logged_in", lambda: ask("refused [[mock:error status=401]]"))
assert failed.response.request.headers["x-stainless-retry-count"] == "0"
assert run(failed.response.headers["x-openrunner-run-id"])["cause"] == "not_logged_in"

# A failure in the middle of an answer is an error in the stream.
half = ask("half [[mock:hang_mid]]", stream=True, extra_body={"openrunner": {"timeout_secs": 4}})
raises(openai.APIError, "timeout", lambda: [chunk for chunk in half])

# This server allows one stream. Closing it cancels its run.
hello = [{"role": "user", "content": "hello"}]
once = lambda: client.with_options(max_retries=0).chat.completions.create(model=MODEL, messages=hello, stream=True)
slow = ask("slow [[mock:slow n=60 delay=1]]", stream=True)
run_id = next(iter(slow)).openrunner["run_id"]
raises(openai.RateLimitError, "too_many_streams", once)
began = time.monotonic()
slow.close()
assert run(run_id)["cause"] == "cancelled" and time.monotonic() - began < 30
print("all is well")
