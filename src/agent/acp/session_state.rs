//! What the agent reports about its conversation as a whole: title, session mode, model, slash commands, size of the context.

use serde_json::Value;

use crate::agent::Output;
use crate::types::{AgentCommand, ContextUse, SessionUpdate, StreamEvent, is_unsafe_to_display};

/// Maximum length of a title, a mode or the name of a command, in characters.
const MAX_NAME: usize = 120;
/// Maximum length of the description of a command, in characters. Some agents send the whole text of a command as its description (recording
/// `acp/qwen_text`: 564 KB).
const MAX_DESCRIPTION: usize = 200;
/// Maximum number of commands. The rest is left out.
const MAX_COMMANDS: usize = 128;

/// The conversation of one process.
#[derive(Debug, Default)]
pub(super) struct SessionState {
    /// What the log does not show yet.
    new: SessionUpdate,
    /// What the log shows.
    shown: SessionUpdate,
}

/// The effect of an update.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// The session mode that the agent has changed to.
    pub(super) mode: Option<String>,
}

impl SessionState {
    /// Takes the result of the request that opened the session. The model is part of the event that starts the run.
    pub(super) fn open(&mut self, opened: &Value, model: Option<&str>) {
        self.new.mode = current_mode(opened).map(one_line).or(self.new.mode.take());
        self.shown.model = model.map(one_line);
        self.new.model = None;
    }

    /// Takes the session mode that was set.
    pub(super) fn set_mode(&mut self, mode: &str) {
        self.new.mode = Some(one_line(mode));
    }

    /// Takes the update `update` of kind `kind`. `None` if it is of another kind or malformed.
    pub(super) fn apply(&mut self, kind: &str, update: &Value) -> Option<Applied> {
        let mut applied = Applied::default();
        match kind {
            "session_info_update" => {
                if let Some(title) = update.get("title") {
                    self.new.title = Some(title.as_str().map(one_line).unwrap_or_default());
                }
            }
            "available_commands_update" => {
                let commands = update.get("availableCommands")?.as_array()?;
                self.new.commands = Some(commands.iter().filter_map(command).take(MAX_COMMANDS).collect());
            }
            "current_mode_update" => {
                let mode = update.get("currentModeId")?.as_str()?;
                self.set_mode(mode);
                applied.mode = Some(mode.to_owned());
            }
            "config_option_update" => {
                update.get("configOptions")?.as_array()?;
                if let Some(mode) = option_value(update, "mode") {
                    self.set_mode(mode);
                    applied.mode = Some(mode.to_owned());
                }
                if let Some(model) = option_value(update, "model") {
                    self.new.model = Some(one_line(model));
                }
            }
            "usage_update" => {
                let count = |name: &str| update.get(name).and_then(Value::as_u64);
                if let (Some(used_tokens), Some(max_tokens)) = (count("used"), count("size")) {
                    self.new.context = Some(ContextUse { used_tokens, max_tokens });
                }
            }
            _ => return None,
        }
        Some(applied)
    }

    /// Emits what has changed. The size of the context changes with every call of the model, so it is emitted only at the end of a turn.
    pub(super) fn emit(&mut self, turn_has_ended: bool, out: &mut Output) {
        let Self { new, shown } = self;
        // A title that was never shown need not be removed.
        new.title.take_if(|title| title.is_empty() && shown.title.is_none());
        let update = SessionUpdate {
            title: changed(&mut new.title, &mut shown.title),
            mode: changed(&mut new.mode, &mut shown.mode),
            model: changed(&mut new.model, &mut shown.model),
            commands: changed(&mut new.commands, &mut shown.commands),
            context: if turn_has_ended { changed(&mut new.context, &mut shown.context) } else { None },
        };
        if !update.is_empty() {
            out.emit(StreamEvent::SessionUpdated(update));
        }
    }
}

/// Moves a value to what is shown. `None` if it is already shown.
fn changed<T: Clone + PartialEq>(new: &mut Option<T>, shown: &mut Option<T>) -> Option<T> {
    let value = new.take().filter(|value| shown.as_ref() != Some(value))?;
    Some(shown.insert(value).clone())
}

fn command(command: &Value) -> Option<AgentCommand> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text(command, "name").map(|name| one_line(name.trim_start_matches('/'))).filter(|name| !name.is_empty())?;
    let description = shortened(&text(command, "description").unwrap_or_default(), MAX_DESCRIPTION);
    let input_hint = command
        .get("input")
        .and_then(|input| text(input, "hint"))
        .map(|hint| shortened(&hint, MAX_DESCRIPTION))
        .filter(|hint| !hint.is_empty());
    Some(AgentCommand { name, description, input_hint })
}

/// The session mode in use, from the result that opened a session: its own field, or the configuration option for it.
pub(super) fn current_mode(opened: &Value) -> Option<&str> {
    opened.pointer("/modes/currentModeId").and_then(Value::as_str).or_else(|| option_value(opened, "mode"))
}

/// The value of the configuration option of this category.
fn option_value<'a>(holder: &'a Value, category: &str) -> Option<&'a str> {
    option(holder, category)?.get("currentValue")?.as_str()
}

/// The configuration option of this category. Categories are optional; the id stands in.
pub(super) fn option<'a>(holder: &'a Value, category: &str) -> Option<&'a Value> {
    let matches = |option: &&Value| option.get("category").or_else(|| option.get("id")).and_then(Value::as_str) == Some(category);
    holder.get("configOptions")?.as_array()?.iter().find(matches)
}

fn one_line(text: &str) -> String {
    shortened(text, MAX_NAME)
}

/// `text` in one line of at most `max` characters, of which an ellipsis is the last if it is longer.
fn shortened(text: &str, max: usize) -> String {
    // Four times as many bytes can hold them; the rest need not be read.
    let start = &text[..text.floor_char_boundary(text.len().min(max * 8))];
    let words: Vec<&str> =
        start.split(|letter: char| letter.is_whitespace() || is_unsafe_to_display(letter)).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    let is_cut = start.len() < text.len();
    match line.char_indices().nth(max) {
        None if !is_cut => line,
        _ => line.chars().take(max - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::agent::Item;

    fn emitted(state: &mut SessionState, turn_has_ended: bool) -> Option<SessionUpdate> {
        let mut out = Output::default();
        state.emit(turn_has_ended, &mut out);
        match out.items.pop() {
            Some(Item::Event(StreamEvent::SessionUpdated(update))) => Some(update),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_changes_are_emitted_and_the_context_only_at_the_end_of_a_turn() {
        let mut state = SessionState::default();
        state.open(&json!({ "modes": { "currentModeId": "ask" } }), Some("m"));
        state.apply("usage_update", &json!({ "used": 10, "size": 100 })).unwrap();
        state.apply("config_option_update", &json!({ "configOptions": [{ "id": "model", "currentValue": "m" }] })).unwrap();
        assert_eq!(emitted(&mut state, false), Some(SessionUpdate { mode: Some("ask".into()), ..SessionUpdate::default() }));
        let context = Some(ContextUse { used_tokens: 10, max_tokens: 100 });
        assert_eq!(emitted(&mut state, true), Some(SessionUpdate { context, ..SessionUpdate::default() }));
        let applied = state.apply("current_mode_update", &json!({ "currentModeId": "ask" })).unwrap();
        assert_eq!(applied, Applied { mode: Some("ask".into()) });
        state.apply("session_info_update", &json!({ "title": null })).unwrap();
        state.apply("usage_update", &json!({ "used": 10, "size": 100 })).unwrap();
        assert_eq!(emitted(&mut state, true), None, "nothing has changed");
        let options = json!([{ "id": "x", "category": "mode", "currentValue": "yolo" }, { "id": "model", "currentValue": "n" }]);
        assert_eq!(state.apply("config_option_update", &json!({ "configOptions": options })), Some(Applied { mode: Some("yolo".into()) }));
        state.apply("session_info_update", &json!({ "title": " Fix\nthe \u{1b}build " })).unwrap();
        let all = SessionUpdate {
            title: Some("Fix the build".into()),
            mode: Some("yolo".into()),
            model: Some("n".into()),
            ..SessionUpdate::default()
        };
        assert_eq!(emitted(&mut state, false), Some(all));
        state.apply("session_info_update", &json!({ "title": null })).unwrap();
        assert_eq!(emitted(&mut state, false), Some(SessionUpdate { title: Some(String::new()), ..SessionUpdate::default() }));
    }

    #[test]
    fn commands_are_bounded_and_malformed_ones_left_out() {
        let mut state = SessionState::default();
        let long = "x".repeat(100_000);
        let mut commands = vec![
            json!({ "name": "/review", "description": "Reviews\n changes", "input": { "hint": "what" } }),
            json!({ "name": "", "description": "none" }),
            json!({ "description": "none" }),
            json!("none"),
            json!({ "name": "long", "description": long, "input": { "hint": "" } }),
        ];
        commands.extend((0..1000).map(|index| json!({ "name": format!("c{index}") })));
        state.apply("available_commands_update", &json!({ "availableCommands": commands })).unwrap();
        let commands = emitted(&mut state, false).unwrap().commands.unwrap();
        assert_eq!(commands.len(), MAX_COMMANDS);
        let review = AgentCommand { name: "review".into(), description: "Reviews changes".into(), input_hint: Some("what".into()) };
        assert_eq!(commands[0], review);
        let AgentCommand { name, description, input_hint } = &commands[1];
        assert_eq!((name.as_str(), description.chars().count(), input_hint), ("long", MAX_DESCRIPTION, &None));
        for malformed in [json!({}), json!({ "availableCommands": 3 })] {
            assert_eq!(state.apply("available_commands_update", &malformed), None, "{malformed}");
        }
        assert_eq!(state.apply("current_mode_update", &json!({ "currentModeId": 3 })), None);
        assert_eq!(state.apply("plan", &json!({})), None);
    }

    /// An update of this kind with a small value.
    fn update(kind: usize, value: u64) -> (&'static str, Value) {
        match kind {
            0 => ("session_info_update", json!({ "title": if value == 0 { Value::Null } else { json!(format!("t{value}")) } })),
            1 => ("current_mode_update", json!({ "currentModeId": format!("m{value}") })),
            2 => ("available_commands_update", json!({ "availableCommands": [{ "name": format!("c{value}") }] })),
            3 => ("config_option_update", json!({ "configOptions": [{ "id": "model", "currentValue": format!("x{value}") }] })),
            _ => ("usage_update", json!({ "used": value, "size": 9 })),
        }
    }

    proptest! {
        /// A reader who applies the events in order knows the last value of each field, and no event repeats a value.
        #[test]
        fn the_events_add_up_to_the_last_updates(steps in proptest::collection::vec((0_usize..7, 0_u64..3), 0..40)) {
            let mut state = SessionState::default();
            let (mut expected, mut known) = (SessionUpdate::default(), SessionUpdate::default());
            let mut note = |event: Option<SessionUpdate>| {
                let Some(SessionUpdate { title, mode, model, commands, context }) = event else { return Ok(()) };
                prop_assert!(title.is_none() || title != known.title);
                prop_assert!(mode.is_none() || mode != known.mode);
                prop_assert!(context.is_none() || context != known.context);
                known.title = title.or(known.title.take());
                known.mode = mode.or(known.mode.take());
                known.model = model.or(known.model.take());
                known.commands = commands.or(known.commands.take());
                known.context = context.or(known.context.take());
                Ok(())
            };
            for (kind, value) in steps {
                if kind > 4 {
                    note(emitted(&mut state, kind == 6))?;
                    continue;
                }
                let (name, update) = update(kind, value);
                state.apply(name, &update).unwrap();
                match kind {
                    0 => expected.title = Some(if value == 0 { String::new() } else { format!("t{value}") }),
                    1 => expected.mode = Some(format!("m{value}")),
                    2 => expected.commands = Some(vec![AgentCommand { name: format!("c{value}"), ..AgentCommand::default() }]),
                    3 => expected.model = Some(format!("x{value}")),
                    _ => expected.context = Some(ContextUse { used_tokens: value, max_tokens: 9 }),
                }
            }
            note(emitted(&mut state, true))?;
            expected.title.take_if(|title| title.is_empty());
            known.title.take_if(|title| title.is_empty());
            prop_assert_eq!(known, expected);
        }

        #[test]
        fn a_shortened_text_is_one_line_within_its_bound(text in ".{0,2000}", max in 2_usize..300) {
            let line = shortened(&text, max);
            prop_assert!(line.chars().count() <= max && !line.chars().any(is_unsafe_to_display), "{line:?}");
        }
    }
}
