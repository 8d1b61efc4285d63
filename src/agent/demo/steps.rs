//! Carries out the steps of a message.

use std::io::{self, Write};

use serde_json::json;

use super::tools::{Called, DEFAULT_FILE, Tool};
use super::turn::{DemoAgent, Halt};
use super::words::{Step, WORDS, Word};
use crate::types::{
    AgentCommand, ContextUse, Decision, Level, NoticeCode, PermissionChoice, PlanEntry, PlanStatus, Question, QuestionOption,
    SessionUpdate, StreamEvent, TaskKind, TaskStatus, ToolKind, ToolStatus,
};

const PLAN: [&str; 3] = ["Read the request", "Write the file", "Report the result"];
/// The progress that each task in the background reports.
const PROGRESS: [&str; 2] = ["Halfway", "Almost done"];

/// The size of a context window that the agent could have, in tokens.
const CONTEXT: u64 = 100_000;

/// A task that runs in the background.
struct Task {
    id: String,
    kind: TaskKind,
    /// The tool call that started it.
    call: String,
}

impl<O: Write> DemoAgent<O> {
    /// Carries out a step that is not about the turn itself.
    pub(super) fn show(&mut self, step: Step) -> Result<(), Halt> {
        match step {
            Step::Create(name) => self.show_create(name.as_deref()),
            Step::Edit(name) => self.show_edit(name),
            Step::Read(name) => self.show_read(name),
            Step::Image(name) => {
                let drawn = self.draw(name.as_deref())?;
                self.send_outcome("I drew an image", &drawn)
            }
            Step::Run => {
                let run = self.run_command()?;
                self.send_outcome("I ran a command", &run)
            }
            Step::Ask => self.show_permission(),
            Step::Question => self.show_question(),
            Step::Think => self.show_thinking(),
            Step::Plan => self.show_plan(),
            Step::Background => self.show_background(),
            Step::Count(to) => self.count(to),
            Step::Say(text) => self.send_message(if text.is_empty() { "The message names no text to repeat." } else { &text }),
            Step::Remember(text) => {
                self.conversation.add_note(&text);
                self.send_message(&format!("I will remember this in the whole session: {text}"))
            }
            Step::Recall => self.recall(),
            Step::Title(title) => self.show_title(title),
            Step::Spend(amount) => self.spend(amount),
            Step::Warn => {
                let notice = StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, "a warning of the demo agent");
                self.send(notice)
            }
            Step::Retry => {
                let data = Some(json!({ "attempt": 1, "max_attempts": 3, "delay_ms": 100, "status": 529 }));
                let message = "the model is overloaded; attempt 2 of 3 follows (demo)".to_owned();
                self.send(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message, data })
            }
            Step::Error => {
                let message = "an error of the demo agent that does not end the run".to_owned();
                self.send(StreamEvent::AgentError { code: "demo".to_owned(), message, retryable: true })
            }
            Step::Log => {
                self.pause(self.pace)?;
                Ok(writeln!(io::stderr(), "a line on the standard error of the demo agent")?)
            }
            Step::Raw => {
                self.pause(self.pace)?;
                Ok(self.write_text("a line that is not part of the demo agent's protocol\n")?)
            }
            Step::Hang => self.wait_for_message(),
            // The other steps end or pace the turn.
            Step::Help | Step::Pace(_) | Step::Fail(_) | Step::Exit(_) => self.send_message(&help()),
        }
    }

    fn show_create(&mut self, named: Option<&str>) -> Result<(), Halt> {
        let name = named.unwrap_or(DEFAULT_FILE);
        let reason = match named {
            Some(name) => format!("The request names {name}, so I will write that file and nothing else. "),
            None => format!("The request names no file, so I will write {name} and nothing else. "),
        };
        self.send_thinking(&reason)?;
        self.send_plan(0)?;
        self.send_message(&format!("I am the built-in demo agent and have no model. I will write {name} in my working directory."))?;
        self.send_plan(1)?;
        let written = self.create(name)?;
        self.send_plan(if written.status == ToolStatus::Ok { PLAN.len() } else { 2 })?;
        self.send_message(&match written.status {
            ToolStatus::Ok => {
                format!("Done: {name} is written. A real agent would have acted on your request; this demo only writes one file.")
            }
            ToolStatus::Denied => format!("I was not allowed to write {name}, so nothing was changed ({}).", written.content),
            ToolStatus::Error => format!("I could not write {name}: {}.", written.content),
        })
    }

    fn show_edit(&mut self, name: Option<String>) -> Result<(), Halt> {
        let name = self.file_or_last(name);
        let edited = self.edit(&name)?;
        self.send_outcome(&format!("I added a line to {name}"), &edited)
    }

    fn show_read(&mut self, name: Option<String>) -> Result<(), Halt> {
        let name = self.file_or_last(name);
        let read = self.read(&name)?;
        self.send_outcome(&format!("I read {name}"), &read)
    }

    /// The named file, or the text file that was written last.
    fn file_or_last(&self, name: Option<String>) -> String {
        let last = || self.conversation.files.iter().rev().find(|file| !file.to_ascii_lowercase().ends_with(".png")).cloned();
        name.or_else(last).unwrap_or_else(|| DEFAULT_FILE.to_owned())
    }

    fn send_outcome(&mut self, done: &str, called: &Called) -> Result<(), Halt> {
        self.send_message(&match called.status {
            ToolStatus::Ok => format!("{done}."),
            ToolStatus::Denied => format!("I was not allowed to do that ({}).", called.content),
            ToolStatus::Error => format!("That failed: {}.", called.content),
        })
    }

    fn show_permission(&mut self) -> Result<(), Halt> {
        let choice = |id: &str, name: &str, decision| PermissionChoice { id: id.to_owned(), name: name.to_owned(), decision };
        let choices = vec![
            choice("once", "Yes, this time", Decision::AllowOnce),
            choice("always", "Yes, and do not ask again in this run", Decision::AllowAlways),
            choice("no", "No", Decision::Deny),
        ];
        let input = json!({ "text": "Hello from the demo agent" });
        let tool = Tool { choices, ..Tool::new("announce", ToolKind::Other, "Announce something", input) };
        let called = self.call(tool, |_, _| Ok(Ok("announced".to_owned())))?;
        let chosen = called.option_id.as_ref().map(|option| format!(" You chose the option \"{option}\".")).unwrap_or_default();
        self.send_message(&match called.status {
            ToolStatus::Ok => format!("I was allowed to announce something.{chosen}"),
            _ => format!("I was not allowed to announce anything ({}).{chosen}", called.content),
        })
    }

    fn show_question(&mut self) -> Result<(), Halt> {
        let option = |name: &str, description: &str, preview: Option<&str>| QuestionOption {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            preview: preview.map(str::to_owned),
        };
        let questions = vec![
            Question {
                text: "Which greeting should the program print?".to_owned(),
                header: Some("Greeting".to_owned()),
                options: vec![
                    option("short", "One word", Some("print(\"Hello\")")),
                    option("long", "A whole sentence", Some("print(\"Hello, and welcome to OpenRunner\")")),
                ],
                multiple: false,
            },
            Question {
                text: "What else belongs in it?".to_owned(),
                header: Some("Extras".to_owned()),
                options: vec![
                    option("tests", "A test of the greeting", None),
                    option("docs", "A line of documentation", None),
                    option("types", "Type annotations", None),
                ],
                multiple: true,
            },
            Question {
                text: "Which name should it greet?".to_owned(),
                header: Some("Name".to_owned()),
                options: Vec::new(),
                multiple: false,
            },
        ];
        let headers: Vec<_> = questions.iter().filter_map(|question| question.header.clone()).collect();
        let answers = self.ask(questions)?;
        if answers.iter().all(Vec::is_empty) {
            return self.send_message("There was no answer, so I continue without one.");
        }
        let answers: Vec<_> = headers.iter().zip(&answers).map(|(header, answers)| format!("{header}: {}", answers.join(", "))).collect();
        self.send_message(&format!("You answered: {}.", answers.join("; ")))
    }

    fn show_thinking(&mut self) -> Result<(), Halt> {
        self.send_thinking("The message asks me to think. I have no model, so this thought is always the same. ")?;
        self.send_message("I thought about it.")
    }

    fn show_plan(&mut self) -> Result<(), Halt> {
        for done in 0..=PLAN.len() {
            self.send_plan(done)?;
        }
        self.send_message("I made a plan and went through its steps.")
    }

    /// Sends the plan with its first `done` steps completed.
    fn send_plan(&mut self, done: usize) -> Result<(), Halt> {
        let status = |step: usize| match step.cmp(&done) {
            std::cmp::Ordering::Less => PlanStatus::Completed,
            std::cmp::Ordering::Equal => PlanStatus::InProgress,
            std::cmp::Ordering::Greater => PlanStatus::Pending,
        };
        let entries = PLAN.iter().enumerate().map(|(step, text)| PlanEntry { content: (*text).to_owned(), status: status(step) });
        self.send(StreamEvent::Plan { entries: entries.collect() })
    }

    /// Starts a sub-agent and a command, and waits for both. An interrupt stops those that are running.
    fn show_background(&mut self) -> Result<(), Halt> {
        let mut running = Vec::new();
        let result = self.start_tasks(&mut running).and_then(|()| self.wait_for_tasks(&mut running));
        for task in running {
            let message = Some("the turn was interrupted".to_owned());
            self.write_event(StreamEvent::TaskEnded { id: task.id, status: TaskStatus::Stopped, message })?;
        }
        result
    }

    fn start_tasks(&mut self, running: &mut Vec<Task>) -> Result<(), Halt> {
        for (kind, name, title) in
            [(TaskKind::Agent, "start_agent", "Look around"), (TaskKind::Command, "start_command", "Build the documentation")]
        {
            let tool = Tool::new(name, ToolKind::Other, title, json!({ "task": title }));
            let called = self.call(tool, |_, _| Ok(Ok("started in the background".to_owned())))?;
            if called.status != ToolStatus::Ok {
                self.send_outcome(title, &called)?;
                continue;
            }
            self.counters.tasks += 1;
            let task = Task { id: format!("task_{}", self.counters.tasks), kind, call: called.id };
            let (id, tool_call_id) = (task.id.clone(), Some(task.call.clone()));
            self.send(StreamEvent::TaskStarted { id, kind, title: title.to_owned(), tool_call_id })?;
            running.push(task);
        }
        Ok(())
    }

    /// Reports the progress of the tasks. Removes those that have ended.
    fn wait_for_tasks(&mut self, running: &mut Vec<Task>) -> Result<(), Halt> {
        if running.is_empty() {
            return Ok(());
        }
        self.send_message("I continue in the background, and report again when that has ended.")?;
        for message in PROGRESS {
            for task in running.iter() {
                self.pause(self.pace * 10)?;
                self.send(StreamEvent::TaskUpdated { id: task.id.clone(), message: message.to_owned() })?;
            }
        }
        while let Some(task) = running.first() {
            if task.kind == TaskKind::Agent {
                self.send_message_of("I am the sub-agent, and have looked around.", Some(&task.call))?;
            }
            self.pause(self.pace * 10)?;
            let message = Some("done".to_owned());
            self.send(StreamEvent::TaskEnded { id: task.id.clone(), status: TaskStatus::Completed, message })?;
            running.remove(0);
        }
        self.send_message("The work in the background has ended.")
    }

    /// Counts in a message.
    fn count(&mut self, to: u32) -> Result<(), Halt> {
        let numbers: Vec<String> = (1..=to).map(|number| number.to_string()).collect();
        self.send_message(&numbers.join(" "))
    }

    fn recall(&mut self) -> Result<(), Halt> {
        let conversation = &self.conversation;
        let list = |title: &str, texts: &[String]| match texts {
            [] => String::new(),
            texts => format!("\n{title}:\n- {}\n", texts.join("\n- ")),
        };
        // The last message is the one that asks.
        let earlier = conversation.messages.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let lists =
            [list("You said", earlier), list("You asked me to remember", &conversation.notes), list("I wrote", &conversation.files)];
        let known = lists.concat();
        let known = match &self.instructions {
            Some(text) => format!("{known}\nMy instructions:\n- {text}\n"),
            None => known,
        };
        let text = if known.is_empty() {
            "This is the beginning of our conversation.".to_owned()
        } else {
            format!("I know this of our conversation.\n{}", known.trim_end())
        };
        self.send_message(&text)
    }

    /// Reports facts about the conversation as a whole.
    fn show_title(&mut self, title: String) -> Result<(), Halt> {
        let command = |word: &Word| {
            let input_hint = word.usage.split_once(' ').map(|(_, rest)| rest.to_owned());
            AgentCommand { name: word.name().to_owned(), description: "a word of the demo agent".to_owned(), input_hint }
        };
        let context = ContextUse { used_tokens: self.usage.input_tokens + self.usage.output_tokens, max_tokens: CONTEXT };
        self.send(StreamEvent::SessionUpdated(SessionUpdate {
            title: Some(title),
            commands: Some(WORDS.iter().map(command).collect()),
            context: Some(context),
            ..SessionUpdate::default()
        }))?;
        self.send_message("I gave our conversation a title.")
    }

    fn spend(&mut self, amount: f64) -> Result<(), Halt> {
        self.usage.cost_usd = Some(self.usage.cost_usd.unwrap_or_default() + amount);
        self.usage.cost_is_estimate = true;
        self.send(StreamEvent::Usage(self.usage.clone()))?;
        self.send_message(&format!("I reported a cost of ${amount}, which is not billed."))
    }
}

/// The answer to a message without a known word.
fn help() -> String {
    let words: Vec<String> = WORDS.iter().map(|word| format!("`{}`", word.usage)).collect();
    format!(
        "I am the built-in demo agent and have no model. Words in your message decide what I do: {}, or `everything`. Several are carried \
         out in order; docs/agents.md explains each.",
        words.join(", ")
    )
}
