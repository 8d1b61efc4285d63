//! What a run gives to its agent besides the prompt reaches the model.

use serde_json::json;

use crate::support::{Agent, Server, for_each_agent};

for_each_agent!(Server::shared();
    instructions_reach_the_model_also_in_a_continued_session,
);

fn instructions_reach_the_model_also_in_a_continued_session(server: &Server, agent: Agent) {
    let seen = |run: &str| format!("instructions_{}_{run}", agent.name());
    let (first, events) =
        server.run(agent, "hello [[mock:text]]", &json!({ "instructions": format!("Be kind. [[seen:{}]]", seen("first")) }));
    events.assert_end("completed", "ok");
    let next = server.create_after(
        &first,
        "hello again [[mock:history]]",
        &json!({ "instructions": format!("Be brief. [[seen:{}]]", seen("next")) }),
    );
    server.follow(&next).finish().assert_completed("I have seen 2 marked prompts.");
    for run in ["first", "next"] {
        assert!(server.bench.has_seen(&seen(run)), "{agent} {run}");
    }
}
