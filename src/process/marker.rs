//! The marker that identifies the processes of a run.

/// Identifies the processes of one run: the value of a variable in their environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker(String);

impl Marker {
    /// The variable that carries it. It does not start with `OPENRUNNER_`: those are settings of the server and never reach an agent.
    pub const VARIABLE: &'static str = "ORN_RUN";

    /// A marker with this value, which must be unguessable: the id of a run.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value of the variable.
    pub fn value(&self) -> &str {
        &self.0
    }
}
