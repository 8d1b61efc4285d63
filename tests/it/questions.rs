//! Questions to the user are asked and answered through the same route as permissions.

use serde_json::{Value, json};

use crate::support::{Server, Setup, last, live, of};

const COLOUR: &str = "question Which colour?|red|blue\nresult fine";

#[test]
fn a_question_accepts_a_text_or_a_list() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        // Also in `auto` mode: a question is not a permission.
        for (metadata, given, said) in [
            (json!({ "permission_mode": "ask" }), json!(["blue"]), "blue"),
            (json!({}), json!([["red"]]), "red"),
            (json!({}), json!(["neither"]), "neither"),
        ] {
            let id = user.script_with(COLOUR, metadata).await;
            user.follow(&id).await.until("question").await;
            assert_eq!(user.run(&id).await["status"], "waiting");
            let request = user.requests(&id).await.remove(0);
            let options = json!([{ "name": "red", "description": "the colour red" }, { "name": "blue", "description": "the colour blue" }]);
            let questions = json!([{ "text": "Which colour?", "header": "Choice", "options": options, "multiple": false }]);
            assert_eq!((&request["type"], &request["questions"]), (&json!("question"), &questions));
            let answer = user.answer(&id, request["id"].as_str().unwrap(), json!({ "answers": given })).await;
            let expected = json!({ "id": request["id"], "answers": [[said]], "by": "user" });
            assert_eq!((answer.status, &answer.body), (200, &expected));
            let frames = user.follow(&id).await.rest().await;
            let resolved = of(&frames, "question_resolved");
            assert_eq!((resolved.len(), &resolved[0]["answers"], &resolved[0]["by"]), (1, &json!([[said]]), &json!("user")));
            let told: Value = serde_json::from_str(of(&frames, "tool_result")[0]["content"].as_str().unwrap()).unwrap();
            assert_eq!(told, json!({ "Which colour?": said }));
            assert_eq!(last(&frames)["status"], "completed");
        }
    });
}

#[test]
fn answers_that_do_not_match_the_questions_are_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script(COLOUR).await;
        user.follow(&id).await.until("question").await;
        let request = user.requests(&id).await.remove(0);
        let name = request["id"].as_str().unwrap();
        for answers in [json!([]), json!(["red", "blue"]), json!([["red", "blue"]])] {
            assert_eq!(user.answer(&id, name, json!({ "answers": answers })).await.problem(422, "invalid_field"), "answers");
        }
        for wrong in [json!({ "answers": [7] }), json!({ "answers": "red" }), json!({ "decision": "allow_once" })] {
            user.answer(&id, name, wrong).await.problem(422, "invalid_field");
        }
        assert_eq!(user.requests(&id).await.len(), 1);
        assert_eq!(user.answer(&id, name, json!({ "answers": ["red"] })).await.status, 200);
        assert_eq!(user.end_of(&id).await["status"], "completed");
    });
}

#[test]
fn an_unanswered_question_is_answered_empty_and_the_agent_continues() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_PERMISSION_TIMEOUT_SECS", 1).start().await;
        let user = server.client("user").await;
        let id = user.script(COLOUR).await;
        let frames = user.follow(&id).await.rest().await;
        let resolved = of(&frames, "question_resolved");
        assert_eq!((resolved.len(), &resolved[0]["answers"], &resolved[0]["by"]), (1, &json!([[]]), &json!("timeout")));
        assert!(of(&frames, "tool_result")[0]["content"].as_str().unwrap().contains("No user is available"));
        assert_eq!(last(&frames)["status"], "completed");
    });
}
