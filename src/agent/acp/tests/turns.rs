//! The end of a turn, messages and silence.

use super::*;

const UPDATE_TIMES: usize = 3;

fn late_chunk(text: &str) -> Value {
    json!({ "sessionUpdate": "agent_message_chunk", "messageId": "m", "content": { "type": "text", "text": text } })
}

#[test]
fn chunks_that_the_result_overtakes_belong_to_its_turn() {
    let mut parser = in_turn("x");
    let mut out = Output::default();
    out.items.extend(update(&mut parser, &late_chunk("first ")).1.items);
    send_line(&mut parser, &json!({ "id": 3, "result": { "stopReason": "end_turn" } }));
    assert!(!parser.begin_turn(&"next".into(), &mut Output::default()), "the turn has not ended yet");
    for _ in 0..UPDATE_TIMES {
        out.items.extend(update(&mut parser, &late_chunk("late ")).1.items);
    }
    out.items.extend(settle(&mut parser).items);
    let text = "first late late late ";
    assert_eq!(texts(&out), (text.to_owned(), vec![text], text));
    assert!(parser.begin_turn(&"next".into(), &mut Output::default()));
}

#[test]
fn a_result_without_an_answer_to_come_ends_its_turn_at_once() {
    for (result, ended) in [
        (json!({ "result": { "stopReason": "refusal" } }), "agent_error"),
        (json!({ "result": { "stopReason": "cancelled" } }), "agent_error"),
        (json!({ "error": { "code": -32603, "message": "x" } }), "agent_error"),
    ] {
        let mut line = result.clone();
        line["id"] = json!(3);
        let (_, out) = send_line(&mut in_turn("x"), &line);
        assert_eq!(summarize(&out).0, [ended], "{result}");
    }
    let mut parser = in_turn("x");
    send_line(&mut parser, &json!({ "id": 3, "result": { "stopReason": "end_turn" } }));
    let mut out = Output::default();
    assert!(parser.interrupt(&mut out));
    assert_eq!(summarize(&out).0, ["cancelled"], "an interrupt does not wait");
}

#[test]
fn an_agent_that_never_falls_silent_cannot_keep_its_turn_open() {
    for noise in [json!({ "method": "_x/tick", "params": {} }).to_string(), "[debug] tick".to_owned()] {
        let mut parser = in_turn("x");
        send_line(&mut parser, &json!({ "id": 3, "result": { "stopReason": "end_turn" } }));
        let ended = (0..10_000).find_map(|_| {
            let mut out = Output::default();
            parser.handle_line(&noise, &mut out);
            summarize(&out).0.contains(&"succeeded").then_some(out)
        });
        let last = ended.expect("the turn ends").items.pop();
        assert!(matches!(last, Some(Item::TurnEnded(Ok(_)))), "{noise}: {last:?}");
    }
}

#[test]
fn a_message_without_an_id_among_messages_with_ids_is_a_notice() {
    let with_id = |text: &str| late_chunk(text);
    let without = |text: &str| json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    let run = |chunks: &[Value]| {
        let mut parser = in_turn("x");
        let mut out = Output::default();
        for chunk in chunks {
            out.items.extend(update(&mut parser, chunk).1.items);
        }
        out.items.extend(end_turn(&mut parser, 3).items);
        let Some(Item::TurnEnded(Ok(result))) = out.items.last().cloned() else { panic!("{out:?}") };
        let notices = out.items.iter().filter_map(|item| match item {
            Item::Event(StreamEvent::Notice { message, .. }) => Some(message.clone()),
            _ => None,
        });
        (result, notices.collect::<Vec<_>>())
    };
    let warning = || vec!["Warning: we change things".to_owned()];
    assert_eq!(run(&[with_id("Done."), without("Warning: we "), without("change things")]), ("Done.".to_owned(), warning()));
    assert_eq!(run(&[with_id("Do"), without("Warning: we change things"), with_id("ne.")]), ("Done.".to_owned(), warning()), "in between");
    assert_eq!(run(&[without("No ids "), without("at all")]), ("No ids at all".to_owned(), vec![]));
    assert_eq!(run(&[without("Before"), with_id("Done.")]), ("Done.".to_owned(), vec![]), "a message of its own");
}

#[test]
fn a_notice_of_the_protocol_is_a_notice() {
    let mut parser = in_turn("x");
    let notice = json!({ "sessionUpdate": "notice", "severity": "error", "title": "Rate limit", "description": "Try later" });
    let (outcome, out) = update(&mut parser, &notice);
    assert_eq!(outcome, LineOutcome::Emitted);
    assert!(
        matches!(&out.items[..], [Item::Event(StreamEvent::Notice { level: Level::Error, message, .. })] if message == "Rate limit: Try later")
    );
    let (outcome, _) = update(&mut parser, &json!({ "sessionUpdate": "notice", "title": 3 }));
    assert_eq!(outcome, LineOutcome::Raw);
}

#[test]
fn silence_is_reported_once_and_only_while_the_model_is_awaited() {
    let mut parser = in_turn("x");
    assert!(parser.max_silence().is_some_and(|limit| limit >= Duration::from_mins(1)));
    let mut out = Output::default();
    parser.handle_silence(&mut out);
    assert!(matches!(&out.items[..], [Item::Event(StreamEvent::Notice { code: NoticeCode::Retrying, .. })]), "{out:?}");
    assert_eq!(parser.max_silence(), None, "once");
    update(&mut parser, &late_chunk("hi"));
    assert!(parser.max_silence().is_some(), "again after a sign of life");
    update(&mut parser, &json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "status": "in_progress", "rawInput": { "a": 1 } }));
    assert_eq!(parser.max_silence(), None, "a tool may take long");

    let mut parser = in_turn("x");
    request_permission(&mut parser, &json!([{ "optionId": "y", "kind": "allow_once" }]));
    assert_eq!(parser.max_silence(), None, "a user may take long");
}

#[test]
fn a_failure_without_output_is_recognized_also_if_all_lines_arrive_together() {
    let chunk = |text: &str| {
        json!({ "method": "session/update", "params": { "sessionId": "s", "update": {
        "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } } } })
    };
    for banner in ["pi v1.6.0\n---\n", ""] {
        let mut parser = Acp::new(&task("acp"), Dialect::default());
        parser.open(&mut Output::default());
        let (mut reader, mut out) = (LineReader::default(), Output::default());
        for line in [
            json!({ "id": 1, "result": { "agentInfo": { "name": "pi-acp", "version": "1" } } }),
            json!({ "id": 2, "result": { "sessionId": "s" } }),
            chunk(banner),
            json!({ "id": 3, "result": { "stopReason": "end_turn" } }),
        ] {
            reader.handle_line(&line.to_string(), &mut parser, &mut out);
        }
        parser.handle_silence(&mut out);
        assert!(matches!(out.items.last(), Some(Item::TurnEnded(Err(failure))) if failure.cause == Cause::AgentError), "{out:?}");
    }
}

#[test]
fn an_agent_that_never_opens_a_session_fails_the_turn() {
    let mut parser = Acp::new(&task("acp"), Dialect::default());
    parser.open(&mut Output::default());
    send_line(&mut parser, &json!({ "id": 1, "result": { "protocolVersion": 1 } }));
    assert!(parser.max_silence().is_some());
    let mut out = Output::default();
    parser.handle_silence(&mut out);
    assert!(matches!(&out.items[..], [Item::TurnEnded(Err(failure))] if failure.cause == Cause::Protocol), "{out:?}");
    assert_eq!(parser.max_silence(), None);
}

#[test]
fn content_other_than_text_is_named_in_answers_and_results() {
    let mut parser = in_turn("x");
    let image = json!({ "type": "image", "mimeType": "image/png", "data": "AAAA" });
    let (outcome, mut out) = update(&mut parser, &json!({ "sessionUpdate": "agent_message_chunk", "content": image }));
    assert_eq!(outcome, LineOutcome::Emitted);
    let content = json!([{ "type": "content", "content": image }, { "type": "content", "content": { "type": "resource_link", "name": "a", "uri": "file:///a" } }]);
    let call = json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "status": "completed", "content": content });
    out.items.extend(update(&mut parser, &call).1.items);
    let result = out.items.iter().find_map(|item| match item {
        Item::Event(StreamEvent::ToolResult { content, .. }) => Some(content.as_str()),
        _ => None,
    });
    assert_eq!(result, Some("[image: image/png]\n[a](file:///a)"));
}
