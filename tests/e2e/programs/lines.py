"""An agent that reads a prompt and writes JSON lines in its own format. It resumes a conversation by its id."""
import json
import sys

options = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
prompt = sys.stdin.read()


def emit(**line):
    print(json.dumps(line), flush=True)


emit(type="begin", conversation="talk-1")
if "fail" in prompt:
    emit(type="problem", text="the model is not in the mood")
    sys.exit(1)
words = ["You said: ", prompt]
if "resume" in options:
    words = ["As in %s, you said: " % options["resume"], prompt]
if "model" in options:
    words.append(" (%s)" % options["model"])
for word in words:
    emit(type="piece", text=word)
emit(type="end", text="".join(words), tokens={"in": 12, "out": 34})
