//! What the agent asks, and what a typed line answers.

use serde_json::{Value, json};

use crate::types::{Decision, Question, StreamEvent};

/// A request of the agent that nobody has answered.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its id.
    pub(super) id: String,
    about: About,
}

#[derive(Debug)]
enum About {
    Permission {
        options: Vec<Decision>,
    },
    /// The questions, and the answers to the first of them.
    Questions {
        questions: Vec<Question>,
        answers: Vec<Vec<String>>,
    },
}

/// What a typed line comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Typed {
    /// The answer is whole: the body that the API takes.
    Whole(Value),
    /// There is another question.
    More,
    /// It answers nothing; why, for the person.
    Not(String),
}

impl Asked {
    /// The request that an event is, if a person is to answer it.
    pub(super) fn of(event: &StreamEvent) -> Option<Self> {
        match event {
            StreamEvent::PermissionRequest { id, options, expires_at: Some(_), .. } => {
                Some(Self { id: id.clone(), about: About::Permission { options: options.clone() } })
            }
            StreamEvent::Question { id, questions } if !questions.is_empty() => {
                Some(Self { id: id.clone(), about: About::Questions { questions: questions.clone(), answers: Vec::new() } })
            }
            _ => None,
        }
    }

    /// What the person is told to type.
    pub(super) fn prompt(&self) -> String {
        match &self.about {
            About::Permission { options } => {
                let words = options.iter().map(|option| match option {
                    Decision::AllowOnce => "[a]llow once",
                    Decision::AllowAlways => "[A]lways",
                    Decision::Deny => "[d]eny, and why",
                });
                format!("{}:", words.collect::<Vec<_>>().join(", "))
            }
            About::Questions { questions, answers } => {
                let of =
                    if questions.len() > 1 { format!("answer {} of {}", answers.len() + 1, questions.len()) } else { "answer".to_owned() };
                match questions.get(answers.len()) {
                    Some(question) if question.options.is_empty() => format!("{of}:"),
                    Some(question) if question.multiple => format!("{of}, by number, such as 1,2, or in words:"),
                    _ => format!("{of}, by number or in words:"),
                }
            }
        }
    }

    /// Takes a line that the person has typed.
    pub(super) fn typed(&mut self, line: &str) -> Typed {
        let line = line.trim();
        match &mut self.about {
            About::Permission { options } => match decision(line) {
                Some((decision, _)) if !options.contains(&decision) => {
                    Typed::Not(format!("this agent does not take `{}`", decision.as_str().replace('_', " ")))
                }
                Some((decision, "")) => Typed::Whole(json!({ "decision": decision })),
                Some((decision, message)) => Typed::Whole(json!({ "decision": decision, "message": message })),
                None => Typed::Not("type a, A or d, or one of the words".to_owned()),
            },
            About::Questions { questions, answers } => {
                let Some(question) = questions.get(answers.len()) else { return Typed::Not("all is answered".to_owned()) };
                match answer(line, question) {
                    Ok(answer) => answers.push(answer),
                    Err(why) => return Typed::Not(why),
                }
                if answers.len() < questions.len() { Typed::More } else { Typed::Whole(json!({ "answers": answers })) }
            }
        }
    }
}

/// A decision, and what the agent is told with it.
fn decision(line: &str) -> Option<(Decision, &str)> {
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
    // Only a denial carries words to the agent. Behind an allowance they would look like a condition, which nobody keeps.
    (decision == Decision::Deny || rest.trim().is_empty()).then(|| (decision, rest.trim()))
}

/// The answers to one question: the options of these numbers, or the words themselves.
fn answer(line: &str, question: &Question) -> Result<Vec<String>, String> {
    if line.is_empty() {
        return Err("type an answer, or press Ctrl-C".to_owned());
    }
    let numbers: Option<Vec<usize>> = line.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers {
        Some(numbers) if !question.options.is_empty() => {
            if numbers.len() > 1 && !question.multiple {
                return Err("only one can be chosen".to_owned());
            }
            let chosen = numbers.iter().map(|number| number.checked_sub(1).and_then(|index| question.options.get(index)).cloned());
            chosen.collect::<Option<_>>().ok_or_else(|| format!("give numbers from 1 to {}", question.options.len()))
        }
        _ => Ok(vec![line.to_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(event: Value) -> Asked {
        Asked::of(&serde_json::from_value(event).unwrap()).unwrap()
    }

    fn permission(options: &[&str]) -> Asked {
        asked(json!({
            "type": "permission_request", "id": "p", "tool": "Bash", "kind": "execute", "input": {}, "options": options,
            "expires_at": "2026-11-22T13:15:03.000Z",
        }))
    }

    #[test]
    fn letters_and_words_decide() {
        for (line, decision) in
            [("a", "allow_once"), ("Allow", "allow_once"), ("A", "allow_always"), ("always ", "allow_always"), ("no", "deny")]
        {
            let typed = permission(&["allow_once", "allow_always", "deny"]).typed(line);
            assert_eq!(typed, Typed::Whole(json!({ "decision": decision })), "{line}");
        }
    }

    #[test]
    fn c2_what_is_not_clearly_an_allowance_is_none() {
        for line in ["", "ok", "allow but only once you have asked", "aa", "yes, if"] {
            assert!(matches!(permission(&["allow_once", "deny"]).typed(line), Typed::Not(_)), "{line}");
        }
        assert!(matches!(permission(&["allow_once", "deny"]).typed("A"), Typed::Not(_)), "not among the options");
    }

    #[test]
    fn a_denial_takes_words_for_the_agent() {
        let typed = permission(&["allow_once", "deny"]).typed("d use /tmp instead");
        assert_eq!(typed, Typed::Whole(json!({ "decision": "deny", "message": "use /tmp instead" })));
    }

    #[test]
    fn what_was_decided_at_once_is_not_asked() {
        let decided = json!({ "type": "permission_request", "id": "p", "tool": "x", "kind": "edit", "input": {}, "options": ["deny"] });
        assert!(Asked::of(&serde_json::from_value(decided).unwrap()).is_none());
    }

    #[test]
    fn questions_are_answered_one_after_the_other_by_number_or_in_words() {
        let mut asked = asked(json!({ "type": "question", "id": "q", "questions": [
            { "text": "Which?", "options": ["red", "blue"], "multiple": false },
            { "text": "More?", "options": ["x", "y"], "multiple": true },
            { "text": "Why?", "options": [], "multiple": false },
        ] }));
        assert_eq!(asked.prompt(), "answer 1 of 3, by number or in words:");
        for wrong in ["3", "0", "1,2", ""] {
            assert!(matches!(asked.typed(wrong), Typed::Not(_)), "{wrong}");
        }
        assert_eq!([asked.typed("2"), asked.typed("1, 2")], [Typed::More, Typed::More]);
        assert_eq!(asked.typed("42"), Typed::Whole(json!({ "answers": [["blue"], ["x", "y"], ["42"]] })));
    }
}
