//! Open requests of an agent, and the typed lines that answer them.

use serde_json::{Value, json};

use crate::types::{Decision, PermissionChoice, Question, StreamEvent};

/// A request that has not been answered.
#[derive(Debug)]
pub(super) struct PendingRequest {
    /// Its id.
    pub(super) id: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Permission {
        options: Vec<Decision>,
        choices: Vec<PermissionChoice>,
    },
    /// The questions, and the answers to the first of them.
    Questions {
        questions: Vec<Question>,
        answers: Vec<Vec<String>>,
    },
}

/// The meaning of a typed line.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// The answer is complete: the body for the API.
    Complete(Value),
    /// The request has another question.
    NextQuestion,
    /// The line is not an answer; the reason.
    Rejected(String),
}

impl PendingRequest {
    /// The request in an event. None if the event is not a request, or the server has decided it by itself.
    pub(super) fn from_event(event: &StreamEvent) -> Option<Self> {
        match event {
            StreamEvent::PermissionRequest { id, options, choices, expires_at: Some(_), .. } => {
                Some(Self { id: id.clone(), kind: Kind::Permission { options: options.clone(), choices: choices.clone() } })
            }
            StreamEvent::Question { id, questions } if !questions.is_empty() => {
                Some(Self { id: id.clone(), kind: Kind::Questions { questions: questions.clone(), answers: Vec::new() } })
            }
            _ => None,
        }
    }

    /// The prompt: what can be typed.
    pub(super) fn prompt(&self) -> String {
        match &self.kind {
            Kind::Permission { options, choices } => {
                let words = options.iter().map(|option| match option {
                    Decision::AllowOnce => "[a]llow once",
                    Decision::AllowAlways => "[A]lways allow",
                    Decision::Deny => "[d]eny [reason]",
                });
                let numbers = (!choices.is_empty()).then_some("the number of an option");
                format!("{}:", words.chain(numbers).collect::<Vec<_>>().join(", "))
            }
            Kind::Questions { questions, answers } => {
                let how = match questions.get(answers.len()) {
                    Some(question) if question.options.is_empty() => "",
                    Some(question) if question.multiple => ", by number, such as 1,2, or as text",
                    _ => ", by number or as text",
                };
                let position = if questions.len() > 1 { format!(" {} of {}", answers.len() + 1, questions.len()) } else { String::new() };
                format!("answer{position}{how}:")
            }
        }
    }

    /// Takes a typed line.
    pub(super) fn handle_line(&mut self, line: &str) -> Reply {
        let line = line.trim();
        match &mut self.kind {
            Kind::Permission { choices, .. } if line.starts_with(|first: char| first.is_ascii_digit()) => {
                let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                match number.and_then(|index| choices.get(index)) {
                    Some(choice) => Reply::Complete(json!({ "option_id": choice.id })),
                    None => Reply::Rejected(format!("choose a number from 1 to {}", choices.len())),
                }
            }
            Kind::Permission { options, .. } => match parse_decision(line) {
                Some((decision, _)) if !options.contains(&decision) => {
                    Reply::Rejected(format!("this agent does not support `{}`", decision.as_str().replace('_', " ")))
                }
                Some((decision, "")) => Reply::Complete(json!({ "decision": decision })),
                Some((decision, message)) => Reply::Complete(json!({ "decision": decision, "message": message })),
                None => Reply::Rejected("type a, A or d, or allow, always or deny".to_owned()),
            },
            Kind::Questions { questions, answers } => {
                let Some(question) = questions.get(answers.len()) else {
                    return Reply::Rejected("all questions are answered".to_owned());
                };
                match parse_answer(line, question) {
                    Ok(answer) => answers.push(answer),
                    Err(reason) => return Reply::Rejected(reason),
                }
                if answers.len() < questions.len() { Reply::NextQuestion } else { Reply::Complete(json!({ "answers": answers })) }
            }
        }
    }
}

/// Parses a decision and the message for the agent.
fn parse_decision(line: &str) -> Option<(Decision, &str)> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let decision = match word {
        "A" => Decision::AllowAlways,
        "a" | "y" => Decision::AllowOnce,
        "d" | "n" => Decision::Deny,
        _ => match word.to_lowercase().as_str() {
            "allow" | "yes" | "once" | "allow_once" => Decision::AllowOnce,
            "always" | "allow_always" => Decision::AllowAlways,
            "deny" | "no" => Decision::Deny,
            _ => return None,
        },
    };
    // Only a denial carries a message. After an allowance it would look like a condition, which no agent enforces.
    (decision == Decision::Deny || rest.trim().is_empty()).then(|| (decision, rest.trim()))
}

/// Parses the answer to one question: the numbers of options, or free text.
///
/// # Errors
/// Why the text is not an answer.
pub(in crate::cli) fn parse_answer(text: &str, question: &Question) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Err("the answer is empty".to_owned());
    }
    let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers {
        Some(numbers) if !question.options.is_empty() => {
            if numbers.len() > 1 && !question.multiple {
                return Err("choose one option".to_owned());
            }
            let chosen = numbers.iter().map(|number| number.checked_sub(1).and_then(|index| question.options.get(index)));
            chosen
                .map(|option| option.map(|option| option.name.clone()))
                .collect::<Option<_>>()
                .ok_or_else(|| format!("choose a number from 1 to {}", question.options.len()))
        }
        _ => Ok(vec![text.to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C2.

    use super::*;

    fn pending(event: Value) -> PendingRequest {
        PendingRequest::from_event(&serde_json::from_value(event).unwrap()).unwrap()
    }

    fn permission(options: &[&str]) -> PendingRequest {
        pending(json!({
            "type": "permission_request", "id": "p", "tool": "Bash", "kind": "execute", "input": {}, "options": options,
            "expires_at": "2026-11-22T13:15:03.000Z",
        }))
    }

    #[test]
    fn letters_and_words_are_decisions() {
        for (line, decision) in
            [("a", "allow_once"), ("Allow", "allow_once"), ("A", "allow_always"), ("always ", "allow_always"), ("no", "deny")]
        {
            let reply = permission(&["allow_once", "allow_always", "deny"]).handle_line(line);
            assert_eq!(reply, Reply::Complete(json!({ "decision": decision })), "{line}");
        }
    }

    #[test]
    fn ambiguous_text_never_allows() {
        for line in ["", "ok", "allow but only once you have asked", "aa", "yes, if"] {
            assert!(matches!(permission(&["allow_once", "deny"]).handle_line(line), Reply::Rejected(_)), "{line}");
        }
        assert!(matches!(permission(&["allow_once", "deny"]).handle_line("A"), Reply::Rejected(_)), "not an option of this request");
    }

    #[test]
    fn an_option_of_the_agent_is_chosen_by_its_number() {
        let mut request = pending(json!({
            "type": "permission_request", "id": "p", "tool": "x", "kind": "other", "input": {}, "options": ["deny"],
            "choices": [
                { "id": "drop", "name": "Drop the data", "decision": "allow_once" },
                { "id": "keep", "name": "Keep", "decision": "allow_once" },
            ],
            "expires_at": "2026-11-22T13:15:03.000Z",
        }));
        assert_eq!(request.prompt(), "[d]eny [reason], the number of an option:");
        assert_eq!(request.handle_line("2"), Reply::Complete(json!({ "option_id": "keep" })));
        for wrong in ["0", "3", "1,2", "a", "99999999999999999999"] {
            assert!(matches!(request.handle_line(wrong), Reply::Rejected(_)), "{wrong}");
        }
    }

    #[test]
    fn a_denial_may_carry_a_message() {
        let reply = permission(&["allow_once", "deny"]).handle_line("d use /tmp instead");
        assert_eq!(reply, Reply::Complete(json!({ "decision": "deny", "message": "use /tmp instead" })));
    }

    #[test]
    fn requests_that_the_server_has_decided_are_not_pending() {
        let decided = json!({ "type": "permission_request", "id": "p", "tool": "x", "kind": "edit", "input": {}, "options": ["deny"] });
        assert!(PendingRequest::from_event(&serde_json::from_value(decided).unwrap()).is_none());
    }

    #[test]
    fn questions_are_answered_in_turn_by_number_or_as_text() {
        let mut request = pending(json!({ "type": "question", "id": "q", "questions": [
            { "text": "Which?", "options": [{ "name": "red" }, { "name": "blue", "description": "calm" }], "multiple": false },
            { "text": "More?", "options": [{ "name": "x" }, { "name": "y" }], "multiple": true },
            { "text": "Why?", "options": [], "multiple": false },
        ] }));
        assert_eq!(request.prompt(), "answer 1 of 3, by number or as text:");
        for wrong in ["3", "0", "1,2", ""] {
            assert!(matches!(request.handle_line(wrong), Reply::Rejected(_)), "{wrong}");
        }
        assert_eq!([request.handle_line("2"), request.handle_line("1, 2")], [Reply::NextQuestion, Reply::NextQuestion]);
        assert_eq!(request.handle_line("42"), Reply::Complete(json!({ "answers": [["blue"], ["x", "y"], ["42"]] })));
    }
}
