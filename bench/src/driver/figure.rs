//! Single measured figures.

/// Bytes in a kibibyte and in a mebibyte.
pub(super) const KIB: f64 = 1024.0;
pub(super) const MIB: f64 = 1024.0 * 1024.0;

/// Unit of figures that count failures, such as lost events. They must be 0.
pub(super) const LOST: &str = "lost";

/// One figure of one pass.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: f64,
    /// The floor's value in the same pass.
    pub(super) floor: Option<f64>,
}

impl Figure {
    pub(super) fn new(name: &'static str, unit: &'static str, value: f64) -> Self {
        Self { name, unit, value, floor: None }
    }

    /// Adds the floor's value.
    pub(super) fn with_floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }
}
