//! A bounded memory of ids that an agent has chosen.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Values of the most recent ids. Keeps a hash of each id, because an id may be long.
#[derive(Debug)]
pub struct Recent<V> {
    /// The values by the hash of their id, each with the number of its insertion.
    values: HashMap<u64, (u64, V)>,
    /// The insertions that are remembered, oldest first: hash and number.
    order: VecDeque<(u64, u64)>,
    inserted: u64,
    max: usize,
}

impl<V> Recent<V> {
    /// Remembers the last `max` insertions.
    pub fn new(max: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), inserted: 0, max }
    }

    /// Adds or replaces the value of an id. Returns whether an older value was forgotten for it.
    pub fn insert(&mut self, id: &str, value: V) -> bool {
        let hash = hash(id);
        self.inserted += 1;
        self.values.insert(hash, (self.inserted, value));
        self.order.push_back((hash, self.inserted));
        if self.order.len() <= self.max {
            return false;
        }
        let Some((oldest, number)) = self.order.pop_front() else { return false };
        let is_current = self.values.get(&oldest).is_some_and(|(current, _)| *current == number);
        if is_current {
            self.values.remove(&oldest);
        }
        is_current
    }

    /// The value of an id.
    pub fn get(&self, id: &str) -> Option<&V> {
        self.values.get(&hash(id)).map(|(_, value)| value)
    }

    /// Whether the id is remembered.
    pub fn contains(&self, id: &str) -> bool {
        self.values.contains_key(&hash(id))
    }

    /// Removes an id and returns its value.
    pub fn remove(&mut self, id: &str) -> Option<V> {
        self.values.remove(&hash(id)).map(|(_, value)| value)
    }
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_id_is_forgotten_first() {
        let mut recent = Recent::new(2);
        assert!(!recent.insert("a", 1) && !recent.insert("b", 2));
        assert!(recent.insert("c", 3), "a is forgotten");
        assert_eq!((recent.contains("a"), recent.remove("b"), recent.remove("c")), (false, Some(2), Some(3)));
        assert!(!recent.insert("d", 4), "b was removed before");
    }

    #[test]
    fn memory_is_bounded_for_any_sequence_of_insertions_and_removals() {
        let mut recent = Recent::new(3);
        for number in 0..100 {
            recent.insert("again", number);
            recent.insert(&number.to_string(), number);
            recent.remove(&number.to_string());
            assert!(recent.order.len() <= 3 && recent.values.len() <= 3);
        }
        assert_eq!(recent.remove("again"), Some(99));
    }
}
