"""An agent that takes a prompt and answers in JSON lines of its own. It remembers a conversation by its id, as others do."""
import json
import sys

options = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
prompt = sys.stdin.read()


def tell(**line):
    print(json.dumps(line), flush=True)


tell(type="begin", conversation="talk-1")
if "fail" in prompt:
    tell(type="problem", text="the model is not in the mood")
    sys.exit(1)
words = ["You said: ", prompt]
if "resume" in options:
    words = ["As in %s, you said: " % options["resume"], prompt]
if "model" in options:
    words.append(" (%s)" % options["model"])
for word in words:
    tell(type="piece", text=word)
tell(type="end", text="".join(words), tokens={"in": 12, "out": 34})
