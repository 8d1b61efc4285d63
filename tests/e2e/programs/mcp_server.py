"""An MCP server on stdin and stdout. On start it writes the value of GREETING to the file given as its argument."""
import json
import os
import sys

with open(sys.argv[1], "w") as file:
    file.write(os.environ.get("GREETING", "nothing"))

TOOL = {"name": "greet", "description": "Says hello.", "inputSchema": {"type": "object", "properties": {}}}
RESULTS = {
    "initialize": {"capabilities": {"tools": {}}, "serverInfo": {"name": "greeter", "version": "1"}},
    "tools/list": {"tools": [TOOL]},
    "tools/call": {"content": [{"type": "text", "text": "hello"}]},
    "ping": {},
}
for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    if request["method"] in RESULTS:
        answer["result"] = dict(RESULTS[request["method"]])
        if request["method"] == "initialize":
            answer["result"]["protocolVersion"] = request["params"]["protocolVersion"]
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)
