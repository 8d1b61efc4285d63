//! The way to the first prompt, and what the user is asked.

use super::*;

#[test]
fn the_agent_is_authenticated_and_configured_before_the_first_prompt() {
    let options = SessionOptions {
        auth_method: Some("key".to_owned()),
        mode: Some("#plan".to_owned()),
        config_options: [("effort".to_owned(), "high".to_owned())].into(),
        ..SessionOptions::default()
    };
    let opened = |modes: Value| {
        let mut parser = Acp::new(&task("acp"), Dialect::default()).with_options(options.clone());
        parser.open(&mut Output::default());
        let mut sent = vec![sent_json(&send_line(&mut parser, &json!({ "id": 1, "result": {} })).1)];
        sent.push(sent_json(&send_line(&mut parser, &json!({ "id": 2, "result": {} })).1));
        let (_, out) = send_line(&mut parser, &json!({ "id": 3, "result": { "sessionId": "s", "modes": modes } }));
        (parser, sent, out)
    };
    let (mut parser, sent, out) = opened(json!({ "currentModeId": "https://x#agent", "availableModes": [{ "id": "https://x#plan" }] }));
    assert_eq!((&sent[0]["method"], &sent[0]["params"]["methodId"]), (&json!("authenticate"), &json!("key")));
    assert_eq!(sent[1]["method"], "session/new");
    assert_eq!(sent_json(&out)["params"]["modeId"], "https://x#plan");
    let (_, out) = send_line(&mut parser, &json!({ "id": 4, "result": {} }));
    assert_eq!(sent_json(&out)["params"], json!({ "sessionId": "s", "configId": "effort", "value": "high" }));
    let (_, out) = send_line(&mut parser, &json!({ "id": 5, "result": {} }));
    assert_eq!((summarize(&out).0, &sent_json(&out)["method"]), (vec!["started", "session_updated"], &json!("session/prompt")));

    let (_, _, out) = opened(json!({ "availableModes": [{ "id": "act" }] }));
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.message.contains("act")), "{out:?}");
}

#[test]
fn text_before_the_first_prompt_is_no_part_of_the_answer() {
    for (name, text, notices) in [("gemini-cli", "[MODE_UPDATE] plan", 0), ("x", "Welcome.", 1), ("x", "\n", 0)] {
        let options = SessionOptions { mode: Some("plan".to_owned()), ..SessionOptions::default() };
        let mut parser = Acp::new(&task("acp"), Dialect::default()).with_options(options);
        parser.open(&mut Output::default());
        send_line(&mut parser, &json!({ "id": 1, "result": { "agentInfo": { "name": name, "version": "1" } } }));
        send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
        let chunk = |text: &str| json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
        let mut out = update(&mut parser, &chunk(text)).1;
        let is_notice = |item: &&Item| matches!(item, Item::Event(StreamEvent::Notice { .. }));
        assert_eq!(out.items.iter().filter(is_notice).count(), notices, "{text:?}");
        for message in
            [json!({ "id": 3, "result": {} }), json!({ "method": "session/update", "params": { "sessionId": "s", "update": chunk("4") } })]
        {
            out.items.extend(send_line(&mut parser, &message).1.items);
        }
        out.items.extend(end_turn(&mut parser, 4).items);
        assert_eq!(texts(&out), ("4".to_owned(), vec!["4"], "4"), "{text:?}");
    }
}

#[test]
fn a_missing_login_says_how_to_log_in() {
    let message = |login: &str| {
        let options = SessionOptions { login: login.to_owned(), ..SessionOptions::default() };
        let mut parser = Acp::new(&task("acp"), Dialect::default()).with_options(options);
        parser.open(&mut Output::default());
        let methods = json!([{ "id": "a", "name": "Log in", "description": "Run `x login` in the terminal" }]);
        send_line(&mut parser, &json!({ "id": 1, "result": { "authMethods": methods } }));
        let (_, out) = send_line(&mut parser, &json!({ "id": 2, "error": { "code": -32000, "message": "Authentication required" } }));
        let [Item::TurnEnded(Err(failure))] = &out.items[..] else { panic!("{out:?}") };
        assert_eq!(failure.cause, Cause::NotLoggedIn);
        failure.message.clone()
    };
    assert_eq!(message(""), "Authentication required; to log in: Run `x login` in the terminal");
    assert_eq!(message("ask ops"), "Authentication required; to log in: ask ops");
}

#[test]
fn forms_are_questions_where_a_user_decides_and_are_declined_elsewhere() {
    let params = json!({ "sessionId": "s", "mode": "form", "message": "Which?", "requestedSchema": { "properties": { "a": { "type": "string" } } } });
    let ask = |mode, params: &Value| {
        let mut task = task("acp");
        task.spec.permission_mode = mode;
        let mut parser = Acp::new(&task, Dialect::default());
        let mut opened = Output::default();
        parser.open(&mut opened);
        let offered = sent_json(&opened).pointer("/params/clientCapabilities/elicitation").is_some();
        send_line(&mut parser, &json!({ "id": 1, "result": {} }));
        send_line(&mut parser, &json!({ "id": 2, "result": { "sessionId": "s" } }));
        let (_, out) = send_line(&mut parser, &json!({ "id": "e", "method": "elicitation/create", "params": params }));
        (offered, summarize(&out).0, sent_json(&out)["result"]["action"].clone())
    };
    assert_eq!(ask(PermissionMode::Ask, &params), (true, vec!["question"], Value::Null));
    for mode in [PermissionMode::Auto, PermissionMode::ReadOnly] {
        assert_eq!(ask(mode, &params), (false, vec!["notice"], json!("decline")), "{mode:?}");
    }
    let url = json!({ "sessionId": "s", "mode": "url", "message": "Log in", "url": "https://a.example", "elicitationId": "e" });
    assert_eq!(ask(PermissionMode::Ask, &url), (true, vec!["question"], Value::Null));
    assert_eq!(ask(PermissionMode::Auto, &url), (false, vec!["notice"], json!("decline")));
}
