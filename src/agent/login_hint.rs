//! Adds how to log in to the failures of an agent that is not logged in.

use std::time::Duration;

use super::Message;
use super::traits::{Item, LineOutcome, Output, Parser};
use crate::process::Exit;
use crate::types::{Answer, Cause, Failure};

/// A parser whose failures with cause `not_logged_in` say how to log in.
struct WithLoginHint {
    parser: Box<dyn Parser>,
    hint: String,
}

/// Adds `hint` to the failures of `parser`. An empty hint adds nothing.
pub(super) fn with_login_hint(parser: Box<dyn Parser>, hint: &str) -> Box<dyn Parser> {
    if hint.is_empty() { parser } else { Box::new(WithLoginHint { parser, hint: hint.to_owned() }) }
}

impl WithLoginHint {
    fn explain(&self, failure: &mut Failure) {
        if failure.cause == Cause::NotLoggedIn && !failure.message.contains(&self.hint) {
            let separator = if failure.message.is_empty() { "" } else { "; " };
            failure.message = format!("{}{separator}to log in: {}", failure.message, self.hint);
        }
    }

    /// Calls the parser, and completes the failures among the items that it adds.
    fn call<T>(&mut self, out: &mut Output, call: impl FnOnce(&mut dyn Parser, &mut Output) -> T) -> T {
        let before = out.items.len();
        let returned = call(&mut *self.parser, out);
        for item in out.items.iter_mut().skip(before) {
            if let Item::TurnEnded(Err(failure)) = item {
                self.explain(failure);
            }
        }
        returned
    }
}

// Every method is passed on: a default would hide that of the inner parser.
impl Parser for WithLoginHint {
    fn reads_json(&self) -> bool {
        self.parser.reads_json()
    }

    fn open(&mut self, out: &mut Output) {
        self.call(out, |parser, out| parser.open(out));
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        self.call(out, |parser, out| parser.handle_line(line, out))
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        self.call(out, |parser, out| parser.answer(request, answer, out));
    }

    fn begin_turn(&mut self, message: &Message, out: &mut Output) -> bool {
        self.call(out, |parser, out| parser.begin_turn(message, out))
    }

    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        self.call(out, |parser, out| parser.steer(message, out))
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        self.call(out, |parser, out| parser.interrupt(out))
    }

    fn finish(&mut self, out: &mut Output) {
        self.call(out, |parser, out| parser.finish(out));
    }

    fn max_silence(&self) -> Option<Duration> {
        self.parser.max_silence()
    }

    fn handle_silence(&mut self, out: &mut Output) {
        self.call(out, |parser, out| parser.handle_silence(out));
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.call(out, |parser, out| parser.handle_end_of_output(out));
    }

    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        self.call(out, |parser, out| parser.handle_exit(exit, out));
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let mut failure = self.parser.diagnose(exit, stderr_tail)?;
        self.explain(&mut failure);
        Some(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails its turn with the text of each line and this cause.
    struct Failing(Cause);

    impl Parser for Failing {
        fn open(&mut self, _out: &mut Output) {}

        fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
            out.items.push(Item::TurnEnded(Err(Failure::new(self.0, line))));
            LineOutcome::Emitted
        }

        fn diagnose(&self, _exit: Exit, stderr_tail: &str) -> Option<Failure> {
            Some(Failure::new(self.0, stderr_tail))
        }
    }

    fn messages(cause: Cause, hint: &str, text: &str) -> [String; 2] {
        let mut parser = with_login_hint(Box::new(Failing(cause)), hint);
        let mut out = Output::default();
        parser.handle_line(text, &mut out);
        let Some(Item::TurnEnded(Err(failure))) = out.items.pop() else { panic!("{out:?}") };
        [failure.message, parser.diagnose(Exit::Code(1), text).unwrap().message]
    }

    #[test]
    fn a_failed_login_says_how_to_log_in() {
        let expected = "Not logged in; to log in: run `agent login`";
        assert_eq!(messages(Cause::NotLoggedIn, "run `agent login`", "Not logged in"), [expected; 2]);
        assert_eq!(messages(Cause::NotLoggedIn, "run `agent login`", ""), ["to log in: run `agent login`"; 2]);
        assert_eq!(messages(Cause::NotLoggedIn, "run `agent login`", expected), [expected; 2], "said once");
        assert_eq!(messages(Cause::NotLoggedIn, "", "Not logged in"), ["Not logged in"; 2]);
        assert_eq!(messages(Cause::RateLimited, "run `agent login`", "later"), ["later"; 2]);
    }
}
