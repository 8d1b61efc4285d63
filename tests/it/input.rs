//! What a run gives to its agent besides the prompt.

use serde_json::{Value, json};

use crate::support::{Server, live};

#[test]
fn instructions_go_to_the_agent_over_its_standard_input_and_apply_to_one_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let seen = server.directory().join("initialize.json");
        let script = format!("save initialize {}\nreport argv\nreport env\nresult done", seen.display());
        let instructions = "Write tests first.\n\tPrefer `std`.";
        let run = user.create(&script, json!({ "instructions": instructions })).await;
        assert_eq!(user.end_of(&run).await["instructions"], instructions);
        let read = || serde_json::from_slice::<Value>(&std::fs::read(&seen).unwrap()).unwrap();
        assert_eq!(read()["appendSystemPrompt"], instructions);
        for said in user.said(&run).await {
            assert!(!said.contains("Write tests first"), "other users can see command lines: {said}");
        }
        let session = user.run(&run).await["session_id"].clone();
        let next = user.create(&script, json!({ "session_id": session })).await;
        assert_eq!(user.end_of(&next).await["instructions"], Value::Null);
        assert_eq!(read()["appendSystemPrompt"], Value::Null);
    });
}

#[test]
fn instructions_are_bounded_and_refused_for_agents_that_take_none() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        for bad in [String::new(), " \n".to_owned(), "a\0b".to_owned(), "ä".repeat(32 * 1024 + 1)] {
            let refused = user.ask("result x", json!({ "instructions": bad })).await;
            assert_eq!(refused.problem(422, "invalid_field"), "metadata.instructions", "{}", bad.len());
        }
        let longest = "ä".repeat(32 * 1024);
        assert_eq!(user.end_of(&user.create("result x", json!({ "instructions": longest })).await).await["result"], "x");
        let preset = user.ask("x", json!({ "agent_type": "gemini", "instructions": "Be brief." })).await;
        assert_eq!(preset.problem(422, "invalid_field"), "metadata.instructions");
        assert!(preset.text.contains("agent gemini takes no instructions"), "{}", preset.text);
    });
}
