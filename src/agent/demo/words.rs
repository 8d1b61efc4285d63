//! Turns a message into the steps that its words ask for. Pure.

use std::path::Path;
use std::time::Duration;

use crate::types::Cause;

/// The pause before each event, so that the output is readable as it streams.
pub(super) const PACE: Duration = Duration::from_millis(20);
const SLOW_PACE: Duration = Duration::from_millis(400);

/// Maximum number of steps of one message. Further words are ignored.
const MAX_STEPS: usize = 64;
/// Maximum number to which the agent counts.
const MAX_COUNT: u32 = 10_000;
/// Maximum cost in US dollars that one step reports.
const MAX_SPENT: f64 = 1_000.0;

/// One thing that the agent does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Pauses this long before each event from here on.
    Pace(Duration),
    /// Explains the words.
    Help,
    Think,
    Plan,
    /// Writes the file, or its default file.
    Create(Option<String>),
    /// Adds a line to the file, or to the file that it wrote last.
    Edit(Option<String>),
    Read(Option<String>),
    /// Runs a command.
    Run,
    /// Writes an image to the file, or to its default file.
    Image(Option<String>),
    /// Asks for a permission with named options.
    Ask,
    Question,
    Background,
    Count(u32),
    Say(String),
    Remember(String),
    /// Says what it knows of the conversation.
    Recall,
    /// Gives the conversation a title.
    Title(String),
    /// Reports this cost in US dollars.
    Spend(f64),
    Warn,
    Retry,
    Error,
    Log,
    Raw,
    /// Does nothing until it is interrupted.
    Hang,
    /// Ends the turn with this failure.
    Fail(Cause),
    Exit(Exit),
}

/// How the process ends without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// With exit code 1.
    Crashed,
    /// By a signal.
    Killed,
    /// With exit code 0, without a result.
    Silent,
}

/// A word of the vocabulary, for people.
pub(super) struct Word {
    /// The word with what may follow it.
    pub(super) usage: &'static str,
    step: fn(&Arguments<'_>) -> Step,
}

/// The words, in the order of the documentation.
pub(super) const WORDS: &[Word] = &[
    Word { usage: "create FILE", step: |rest| Step::Create(rest.file()) },
    Word { usage: "edit FILE", step: |rest| Step::Edit(rest.file()) },
    Word { usage: "read FILE", step: |rest| Step::Read(rest.file()) },
    Word { usage: "image", step: |rest| Step::Image(rest.file()) },
    Word { usage: "run", step: |_| Step::Run },
    Word { usage: "ask", step: |_| Step::Ask },
    Word { usage: "question", step: |_| Step::Question },
    Word { usage: "think", step: |_| Step::Think },
    Word { usage: "plan", step: |_| Step::Plan },
    Word { usage: "background", step: |_| Step::Background },
    Word { usage: "count to N", step: |rest| Step::Count(rest.number().unwrap_or(10)) },
    Word { usage: "say TEXT", step: |rest| Step::Say(rest.text()) },
    Word { usage: "remember TEXT", step: |rest| Step::Remember(rest.text()) },
    Word { usage: "recall", step: |_| Step::Recall },
    Word { usage: "title TEXT", step: |rest| Step::Title(rest.text()) },
    Word { usage: "spend USD", step: |rest| Step::Spend(rest.amount().unwrap_or(0.01)) },
    Word { usage: "warn", step: |_| Step::Warn },
    Word { usage: "retry", step: |_| Step::Retry },
    Word { usage: "error", step: |_| Step::Error },
    Word { usage: "log", step: |_| Step::Log },
    Word { usage: "raw", step: |_| Step::Raw },
    Word { usage: "fail CAUSE", step: |rest| fail(&rest.name()) },
    Word { usage: "hang", step: |_| Step::Hang },
    Word { usage: "slow", step: |_| Step::Pace(SLOW_PACE) },
    Word { usage: "fast", step: |_| Step::Pace(Duration::ZERO) },
];
/// All words that an agent survives, in an order in which each finds what it needs.
pub(super) const EVERYTHING: &str = "everything";
/// Further names of words.
const SYNONYMS: [(&str, &str); 2] = [("write", "create"), ("add", "edit")];

impl Word {
    /// The word itself.
    pub(super) fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }
}

/// The causes that `fail` knows, apart from those of a process that exits without a result.
const FAILURES: [Cause; 5] = [Cause::AgentError, Cause::NotLoggedIn, Cause::RateLimited, Cause::ModelNotFound, Cause::BadArguments];

fn fail(name: &str) -> Step {
    match Cause::from_name(name) {
        Some(Cause::Crashed) => Step::Exit(Exit::Crashed),
        Some(Cause::Killed) => Step::Exit(Exit::Killed),
        Some(Cause::Protocol) => Step::Exit(Exit::Silent),
        Some(cause) if FAILURES.contains(&cause) => Step::Fail(cause),
        _ => Step::Fail(Cause::AgentError),
    }
}

/// The steps that the words of `message` ask for, in their order. Never empty.
pub(super) fn steps(message: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = message;
    // A question about the conversation, such as "what did I say?". Its other words are not carried out.
    if let (Some(word), after) = next_word(message)
        && word.eq_ignore_ascii_case("what")
    {
        steps.push(Step::Recall);
        // Only how fast it answers is left.
        rest = after;
    }
    let is_recall = !steps.is_empty();
    while let (Some(word), after) = next_word(rest) {
        rest = after;
        let name = word.to_ascii_lowercase();
        let name = SYNONYMS.iter().find(|(synonym, _)| *synonym == name).map_or(name.as_str(), |(_, name)| name);
        if name == EVERYTHING && !is_recall {
            steps.extend(everything());
            continue;
        }
        let Some(known) = WORDS.iter().find(|known| known.name() == name) else { continue };
        let step = (known.step)(&Arguments { rest });
        match step {
            Step::Pace(_) => {}
            _ if is_recall => continue,
            Step::Say(_) | Step::Remember(_) | Step::Title(_) => rest = "",
            _ => {}
        }
        steps.push(step);
    }
    // What is said about the pace counts from the beginning.
    steps.sort_by_key(|step| !matches!(step, Step::Pace(_)));
    if steps.iter().all(|step| matches!(step, Step::Pace(_))) {
        steps.push(Step::Help);
    }
    steps.truncate(MAX_STEPS);
    steps
}

fn everything() -> impl Iterator<Item = Step> {
    [
        Step::Remember("that everything was shown".to_owned()),
        Step::Think,
        Step::Plan,
        Step::Log,
        Step::Raw,
        Step::Warn,
        Step::Retry,
        Step::Error,
        Step::Create(None),
        Step::Edit(None),
        Step::Read(None),
        Step::Image(None),
        Step::Run,
        Step::Ask,
        Step::Question,
        Step::Background,
        Step::Title("Everything".to_owned()),
        Step::Spend(0.01),
        Step::Count(3),
        Step::Recall,
    ]
    .into_iter()
}

/// The next word, without punctuation around it, and what follows it.
fn next_word(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let end = text.find(|letter: char| letter.is_whitespace()).unwrap_or(text.len());
    let word = text[..end].trim_end_matches(|letter: char| !letter.is_alphanumeric());
    ((!word.is_empty()).then_some(word), &text[end..])
}

/// What follows a word.
struct Arguments<'a> {
    rest: &'a str,
}

impl Arguments<'_> {
    /// The first plain file name up to the next word of the vocabulary.
    fn file(&self) -> Option<String> {
        let words = self.rest.split(|letter: char| letter.is_whitespace() || "\"'`,;:()".contains(letter));
        let words = words.map(|word| word.trim_end_matches(['.', '?', '!']));
        let is_known = |word: &str| WORDS.iter().any(|known| known.name().eq_ignore_ascii_case(word)) || is_synonym(word);
        words.take_while(|word| !is_known(word)).find(|word| is_plain_file(word)).map(str::to_owned)
    }

    /// A number among the next two words.
    fn number(&self) -> Option<u32> {
        self.rest
            .split_whitespace()
            .take(2)
            .find_map(|word| word.trim_end_matches(['.', ',', ';']).parse::<u32>().ok())
            .map(|number| number.min(MAX_COUNT))
    }

    fn amount(&self) -> Option<f64> {
        let word = self.rest.split_whitespace().next()?.trim_start_matches('$').trim_end_matches([',', ';', '.']);
        word.parse::<f64>().ok().filter(|amount| (0.0..=MAX_SPENT).contains(amount))
    }

    fn name(&self) -> String {
        next_word(self.rest).0.unwrap_or_default().to_ascii_lowercase()
    }

    /// Everything that follows.
    fn text(&self) -> String {
        self.rest.trim().trim_start_matches(':').trim_start().to_owned()
    }
}

fn is_synonym(word: &str) -> bool {
    SYNONYMS.iter().any(|(synonym, _)| synonym.eq_ignore_ascii_case(word))
}

/// Whether a word is the name of a file in the working directory, such as `hello.py`.
fn is_plain_file(word: &str) -> bool {
    let extension = Path::new(word).extension().is_some_and(|extension| !extension.is_empty());
    let safe = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    extension && safe && word.len() <= 64 && !word.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    //! Rules: S13.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_is_a_plain_name_in_the_working_directory() {
        let file = |name: &str| Some(name.to_owned());
        assert_eq!(steps("create hello.py"), [Step::Create(file("hello.py"))]);
        assert_eq!(steps("Please write 'notes.txt'."), [Step::Create(file("notes.txt"))]);
        assert_eq!(steps("write ../../etc/passwd.txt or /tmp/x.py or .bashrc or -x.y"), [Step::Create(None)]);
        assert_eq!(steps("create a.py, then edit b.py"), [Step::Create(file("a.py")), Step::Edit(file("b.py"))]);
        assert_eq!(steps("create, then read b.py"), [Step::Create(None), Step::Read(file("b.py"))]);
    }

    #[test]
    fn words_are_carried_out_in_their_order_with_what_follows_them() {
        assert_eq!(steps("Think; plan!\nCount to 5."), [Step::Think, Step::Plan, Step::Count(5)]);
        assert_eq!(steps("count to 99999999"), [Step::Count(MAX_COUNT)]);
        assert_eq!(steps("spend 0.25, please"), [Step::Spend(0.25)]);
        assert_eq!(steps("spend -1"), [Step::Spend(0.01)]);
        assert_eq!(steps("spend NaN"), [Step::Spend(0.01)]);
        assert_eq!(steps("remember: plan the image"), [Step::Remember("plan the image".into())]);
        assert_eq!(steps("plan and say hi, fast"), [Step::Plan, Step::Say("hi, fast".into())]);
        assert_eq!(steps("plan it fast"), [Step::Pace(Duration::ZERO), Step::Plan]);
    }

    #[test]
    fn a_message_without_a_known_word_is_answered_with_help() {
        for message in ["", "hello", "explain yourself", "planning", "…"] {
            assert_eq!(steps(message), [Step::Help], "{message}");
        }
        assert_eq!(steps("hello, slow"), [Step::Pace(SLOW_PACE), Step::Help]);
    }

    #[test]
    fn a_question_about_the_conversation_does_not_repeat_what_it_mentions() {
        assert_eq!(steps("What did I say?"), [Step::Recall]);
        assert_eq!(steps("what did you just write, and why? fast"), [Step::Pace(Duration::ZERO), Step::Recall]);
    }

    #[test]
    fn fail_takes_a_cause() {
        assert_eq!(steps("fail"), [Step::Fail(Cause::AgentError)]);
        assert_eq!(steps("fail rate_limited."), [Step::Fail(Cause::RateLimited)]);
        assert_eq!(steps("fail crashed"), [Step::Exit(Exit::Crashed)]);
        assert_eq!(steps("fail budget_exceeded"), [Step::Fail(Cause::AgentError)], "a cause of the server");
    }

    #[test]
    fn everything_contains_every_word_that_the_agent_survives() {
        let of = |message: &str| steps(message).into_iter().map(|step| std::mem::discriminant(&step)).collect::<Vec<_>>();
        let all = of(EVERYTHING);
        for word in WORDS {
            let is_left_out = ["say", "fail", "hang", "slow", "fast"].contains(&word.name());
            assert_eq!(all.contains(&of(word.usage)[0]), !is_left_out, "{}", word.usage);
        }
    }

    proptest! {
        #[test]
        fn every_message_has_a_bounded_number_of_steps(message in "(everything |think |fast |what |[a-z. /é]{0,8} ?){0,40}") {
            let steps = steps(&message);
            prop_assert!((1..=MAX_STEPS).contains(&steps.len()));
        }
    }
}
