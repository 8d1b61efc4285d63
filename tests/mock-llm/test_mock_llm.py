#!/usr/bin/env python3
"""Tests of mock_llm.py without an agent: python3 test_mock_llm.py"""
import json, os, sys, threading, time, unittest, urllib.error, urllib.request

sys.dont_write_bytecode = True
import mock_llm as M

TOOLS = {"claude": [{"name": "Write"}, {"name": "Bash"}, {"name": "Agent"}, {"name": "AskUserQuestion"}],
         "opencode": [{"type": "function", "function": {"name": n, "parameters": {"properties": {k: {} for k in ks}}}} for n, ks in (
             ("write", ["filePath", "content"]), ("bash", ["command", "description"]), ("question", ["questions"]))],
         "codex": [{"name": "exec_command"}, {"name": "apply_patch"}],
         "gemini": [{"functionDeclarations": [
             {"name": "write_file", "parametersJsonSchema": {"properties": {"file_path": {}, "content": {}}}},
             {"name": "run_shell_command", "parametersJsonSchema": {"properties": {"command": {}, "is_background": {"type": "boolean"}},
                                                                    "required": ["command", "is_background"]}}]}]}


def ask(path, body):
    r = urllib.request.Request(BASE + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(r) as a:
            return a.status, a.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def claude(marker, turns=0, stream=True):
    later = [m for i in range(turns) for m in ({"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "Bash", "input": {}}]},
                                               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "ok"}]})]
    return ask("/v1/messages", {"model": "m", "stream": stream, "tools": TOOLS["claude"],
                                "messages": [{"role": "user", "content": "[[mock:%s]]" % marker}] + later})[1]


def gemini(marker, action="streamGenerateContent", **more):
    return ask("/v1beta/models/g-1:" + action, dict(more, tools=TOOLS["gemini"], contents=[
        {"role": "user", "parts": [{"text": "[[mock:%s]]" % marker}]}]))


class Mock(unittest.TestCase):
    def test_every_scenario_answers_in_every_protocol(self):
        slow = {"hang", "hang_mid", "cut", "slow", "slowshell", "slowwrite"}
        for name in sorted(set(M.SCENARIOS) - slow):
            for path, body in (("/v1/messages", {"messages": [{"role": "user", "content": "[[mock:%s]]" % name}], "tools": TOOLS["claude"]}),
                               ("/v1/responses", {"input": "[[mock:%s]]" % name, "tools": TOOLS["codex"]}),
                               ("/chat/completions", {"messages": [{"role": "user", "content": "[[mock:%s]]" % name}], "tools": TOOLS["opencode"]})):
                for stream in (True, False):
                    status, text = ask(path, dict(body, model="m", stream=stream))
                    self.assertEqual(status, 500 if name == "error" else 200, (name, path))
            self.assertEqual(gemini(name)[0], 500 if name == "error" else 200, name)

    def test_bgagent_uses_the_default_of_the_agent_for_background_work(self):
        self.assertNotIn("run_in_background", claude("bgagent"))
        self.assertIn("run_in_background", claude("subagent"))
        self.assertIn('\\"run_in_background\\": true', claude("bgshell").replace('"}}\n\nevent: content_block_delta\ndata: {"type": '
                      '"content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "', ""))
        self.assertIn("report back", claude("bgagent", 1))
        self.assertIn("REPORT", claude("bgagent", 2))

    def test_half_sends_unpaired_surrogates(self):
        self.assertIn('"\\ud83d"', claude("half"))
        self.assertIn('"\\ude80"', claude("half where=split"))
        self.assertIn("\\ud83d", gemini("half")[1])

    def test_sameid_repeats_the_tool_call_id(self):
        for turn in range(3):
            self.assertIn('"id": "call_0"', claude("sameid", turn))
        self.assertNotEqual(claude("shell"), claude("shell"))

    def test_slowwrite_sends_the_input_in_pieces(self):
        start = time.time()
        self.assertEqual(claude("slowwrite n=5 delay=0.1").count("input_json_delta"), 5)
        self.assertGreater(time.time() - start, 0.4)

    def test_question_with_desc_describes_its_options(self):
        self.assertIn("seen from afar", claude("question desc=1", stream=False))
        self.assertNotIn("seen from afar", claude("question", stream=False))

    def test_gemini_gets_its_own_tools_and_error_format(self):
        call = json.loads(gemini("shell cmd=ls", "generateContent")[1])["candidates"][0]["content"]["parts"][-1]["functionCall"]
        self.assertEqual((call["name"], call["args"]), ("run_shell_command", {"command": "ls", "is_background": False}))
        call = json.loads(gemini("tool path=/a.py", "generateContent")[1])["candidates"][0]["content"]["parts"][-1]["functionCall"]
        self.assertEqual((call["name"], sorted(call["args"])), ("write_file", ["content", "file_path"]))
        status, text = gemini("error status=429")
        self.assertEqual((status, json.loads(text)["error"]["status"]), (429, "RESOURCE_EXHAUSTED"))
        status, text = gemini("text", "generateContent", generationConfig={"responseMimeType": "application/json", "responseJsonSchema": {
            "properties": {"n": {"type": "integer"}, "w": {"enum": ["a", "b"]}}, "required": ["n", "w"]}})
        self.assertEqual(json.loads(json.loads(text)["candidates"][0]["content"]["parts"][0]["text"]), {"n": 0, "w": "a"})
        self.assertIn("totalTokens", gemini("text", "countTokens")[1])

    def test_paths_are_matched_by_their_end(self):
        for path in ("/chat/completions", "/api/v3/chat/completions"):
            self.assertEqual(ask(path, {"messages": [{"role": "user", "content": "hi"}]})[0], 200)
        self.assertEqual(ask("/v1/no-such", {})[0], 404)

    def test_a_directory_in_the_request_counts_only_if_it_exists(self):
        self.assertEqual(M.cwd_of({"x": "the workspace folder is: %s" % HERE}), HERE)
        self.assertEqual(M.cwd_of({"x": "directory: /no/such/place, workspace (/) and folder /tmp"}), ".")


HERE = os.path.dirname(os.path.abspath(__file__))
srv = M.Server(("127.0.0.1", 0), M.Handler)
srv.lock, srv.seen, srv.counts, srv.t0 = threading.Lock(), [], {}, time.time()
srv.default, srv.log_bodies, srv.logf = "text", False, None
BASE = "http://127.0.0.1:%d" % srv.server_port
threading.Thread(target=srv.serve_forever, daemon=True).start()
if __name__ == "__main__":
    unittest.main()
