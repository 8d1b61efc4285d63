//! The fallback for a release whose two-way protocol is broken: `mode = "one_shot"` in the settings file.

use serde_json::json;

use crate::stops::a_cancelled_run_leaves_no_process;
use crate::support::{Agent, Server, for_each_agent};
use crate::tools::check_created_file;

for_each_agent!(Server::one_shot();
    a_file_is_created_without_a_permission_request,
    a_cancelled_run_leaves_no_process,
);

fn a_file_is_created_without_a_permission_request(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, "create hello.py [[mock:tool path=hello.py]]", &json!({}));
    check_created_file(agent, &run, &events);
    assert!(events.all("permission_request").is_empty(), "one-shot mode cannot ask");
    let messages: Vec<_> = events.all("message").into_iter().filter_map(|message| message["content"].as_str()).collect();
    assert_eq!(messages, ["I will create hello.py now.", "Done: hello.py is created."]);
}
