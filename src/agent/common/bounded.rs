//! Tables that an agent fills: bounded, with one notice when the bound is reached.

use serde_json::{Value, json};

use crate::agent::Output;
use crate::types::{Level, NoticeCode, Recent, StreamEvent};

/// A bound on what an agent makes its adapter remember.
#[derive(Debug)]
pub(in crate::agent) struct Limit {
    name: &'static str,
    max: usize,
    /// What it means for the run that the limit was reached.
    effect: &'static str,
    reported: bool,
}

impl Limit {
    /// The limit `max`, called `name` in its notice, which ends with `effect`.
    pub(in crate::agent) const fn new(name: &'static str, max: usize, effect: &'static str) -> Self {
        Self { name, max, effect, reported: false }
    }

    /// The maximum.
    pub(in crate::agent) fn max(&self) -> usize {
        self.max
    }

    /// Emits the notice that the limit was reached, the first time.
    pub(in crate::agent) fn report(&mut self, out: &mut Output) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let Self { name, max, effect, .. } = self;
        let message = format!("the agent reached the limit of {max} for {name}: {effect}");
        let data = Some(json!({ "limit": name, "max": max }));
        out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::LimitReached, message, data });
    }
}

/// Values by ids that the agent chooses. At the limit the oldest is forgotten, with a notice. See [`Recent`] on collisions.
#[derive(Debug)]
pub(in crate::agent) struct Remembered<V> {
    values: Recent<V>,
    limit: Limit,
}

impl<V> Remembered<V> {
    /// Remembers as many values as `limit` allows.
    pub(in crate::agent) fn new(limit: Limit) -> Self {
        Self { values: Recent::new(limit.max()), limit }
    }

    /// Adds or replaces the value of an id.
    pub(in crate::agent) fn insert(&mut self, id: &str, value: V, out: &mut Output) {
        if self.values.insert(id, value) {
            self.limit.report(out);
        }
    }

    /// The value of an id.
    pub(in crate::agent) fn get(&self, id: &str) -> Option<&V> {
        self.values.get(id)
    }

    /// Whether the id is remembered.
    pub(in crate::agent) fn contains(&self, id: &str) -> bool {
        self.values.contains(id)
    }

    /// Removes an id and returns its value.
    pub(in crate::agent) fn remove(&mut self, id: &str) -> Option<V> {
        self.values.remove(id)
    }

    /// Forgets all ids.
    pub(in crate::agent) fn clear(&mut self) {
        self.values.clear();
    }
}

/// Approximate size of a value in memory, in bytes.
pub(in crate::agent) fn size_of(value: &Value) -> usize {
    const NODE: usize = std::mem::size_of::<Value>();
    NODE + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size_of).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + NODE + size_of(value)).sum(),
    }
}

/// Cuts a text to at most `max` bytes.
pub(in crate::agent) fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Item;

    #[test]
    fn the_oldest_value_is_forgotten_and_that_is_reported_once() {
        let mut out = Output::default();
        let mut remembered = Remembered::new(Limit::new("things", 2, "the oldest things are forgotten"));
        for number in 0..5 {
            remembered.insert(&number.to_string(), number, &mut out);
        }
        assert_eq!((remembered.contains("2"), remembered.remove("3"), remembered.contains("4")), (false, Some(3), true));
        remembered.clear();
        assert!(!remembered.contains("4"));
        let [Item::Event(StreamEvent::Notice { code: NoticeCode::LimitReached, message, data, .. })] = &out.items[..] else {
            panic!("{out:?}")
        };
        assert_eq!(message, "the agent reached the limit of 2 for things: the oldest things are forgotten");
        assert_eq!(data.as_ref(), Some(&json!({ "limit": "things", "max": 2 })));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("añb".to_owned(), 2), "a…");
        assert_eq!(cut("añb".to_owned(), 4), "añb");
    }

    #[test]
    fn the_size_of_a_value_includes_all_its_texts() {
        let text = "x".repeat(1000);
        let size = size_of(&json!({ "a": [text, { "b": text }], text.clone(): 1 }));
        assert!((3000..4000).contains(&size), "{size}");
    }
}
