//! A bounded memory of ids that an agent has chosen.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Values of the most recent ids. Keeps a hash of each id, because an id may be long.
///
/// The hash is not secret, so an agent can choose ids that collide. Nothing that protects from an agent may depend on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent<V> {
    /// The values by the hash of their id, each with the number of its insertion.
    values: HashMap<u64, (u64, V)>,
    /// The hashes by the number of their insertion.
    order: BTreeMap<u64, u64>,
    inserted: u64,
    max: usize,
}

impl<V> Recent<V> {
    /// Remembers the `max` ids that were inserted last, of those that were not removed.
    pub fn new(max: usize) -> Self {
        Self { values: HashMap::new(), order: BTreeMap::new(), inserted: 0, max }
    }

    /// Adds or replaces the value of an id. Returns whether an older id was forgotten for it.
    pub fn insert(&mut self, id: &str, value: V) -> bool {
        let hash = hash(id);
        self.inserted += 1;
        if let Some((replaced, _)) = self.values.insert(hash, (self.inserted, value)) {
            self.order.remove(&replaced);
        }
        self.order.insert(self.inserted, hash);
        if self.order.len() <= self.max {
            return false;
        }
        let Some((_, oldest)) = self.order.pop_first() else { return false };
        self.values.remove(&oldest);
        true
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
        let (number, value) = self.values.remove(&hash(id))?;
        self.order.remove(&number);
        Some(value)
    }

    /// Replaces each value by what `value` returns for it, and removes the ids for which that is `None`.
    pub fn filter_map<W>(self, mut value: impl FnMut(V) -> Option<W>) -> Recent<W> {
        let Self { values, mut order, inserted, max } = self;
        let values = values.into_iter().filter_map(|(hash, (number, old))| {
            let new = value(old);
            if new.is_none() {
                order.remove(&number);
            }
            Some((hash, (number, new?)))
        });
        let values = values.collect();
        Recent { values, order, inserted, max }
    }

    /// Removes all ids.
    pub fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
    }

    /// Number of ids that are remembered.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no id is remembered.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
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
        assert!(!recent.insert("d", 4) && !recent.insert("e", 5), "the others were removed before");
        assert!(!recent.insert("d", 6), "replaced");
        assert!(recent.insert("f", 7));
        assert_eq!((recent.len(), recent.get("d"), recent.contains("e")), (2, Some(&6), false), "a replaced value counts as new");
        let mut recent = recent.filter_map(|number| (number > 6).then_some("kept"));
        assert_eq!((recent.len(), recent.get("f")), (1, Some(&"kept")));
        recent.clear();
        assert!(recent.is_empty());
    }

    #[test]
    fn ids_that_come_and_go_do_not_displace_one_that_stays() {
        let mut recent = Recent::new(2);
        recent.insert("stays", 0);
        for number in 1..100 {
            assert!(!recent.insert("comes", number));
            recent.remove("comes");
        }
        assert_eq!(recent.get("stays"), Some(&0));
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
