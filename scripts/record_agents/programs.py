"""How each recorded program is started against the mock model service: its command, environment and configuration."""
import json
import os

KEY = "sk-test-not-a-key"


def claude(home, model):
    return {"ANTHROPIC_BASE_URL": model, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}


def codex(home, model):
    write(home, ".codex/config.toml", f"""model = "gpt-5.5"
model_provider = "mock"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.mock]
name = "mock"
base_url = "{model}/v1"
env_key = "MOCK_KEY"
wire_api = "responses"
""")
    return {"MOCK_KEY": KEY}


def opencode(home, model):
    limit = {"context": 200000, "output": 8000}
    price = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 0}
    models = {"mock-model": {"name": "Mock", "cost": price, "reasoning": True, "limit": limit}, "mock-small": {"name": "Small", "limit": limit}}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Mock", "options": {"baseURL": f"{model}/v1", "apiKey": KEY}, "models": models}
    write(home, ".config/opencode/opencode.json", json.dumps({
        "autoupdate": False, "share": "disabled", "model": "mock/mock-model", "small_model": "mock/mock-small", "provider": {"mock": provider}}))
    return {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"}


def opencode_asking(home, model):
    return {**opencode(home, model), "OPENCODE_PERMISSION": '{"edit":"ask","bash":"ask"}'}


def copilot(home, model):
    return {"COPILOT_PROVIDER_BASE_URL": f"{model}/v1", "COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_MODEL": "gpt-5.4", "COPILOT_OFFLINE": "true"}


def gemini(home, model):
    return {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": model}


def grok(home, model):
    return {"XAI_API_KEY": KEY}


def qwen(home, model):
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODEL": "qwen3-coder-mock"}


def cline(home, model):
    return {"CLINE_API_KEY": KEY, "CLINE_API_BASE_URL": model}


# The programs with recordings of their own directory; their commands are in tests/transcripts/commands.json.
NATIVE = {"claude_code": claude, "codex": codex, "opencode": opencode}

# The programs in tests/transcripts/acp: prefix of the recordings, command, environment. `{model}` is the address of the model service.
ACP = {
    "cline": (["cline", "--acp"], cline),
    "copilot": (["copilot", "--acp"], copilot),
    "gemini": (["gemini", "--acp"], gemini),
    "grok": (["grok", "agent", "--no-leader", "--xai-api-base-url", "{model}/v1", "stdio"], grok),
    "opencode": (["opencode", "acp"], opencode_asking),
    "qwen": (["qwen", "--acp"], qwen),
}


def write(home, name, text):
    path = os.path.join(home, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def acp_program(name):
    """The program of an ACP recording, or None if it is not in the table."""
    prefix = name.split("_")[0]
    return ACP.get(prefix)
