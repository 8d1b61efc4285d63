//! Output that the shim lends: the server moves it from the agent's pipe into the file, and no shim wakes up for it.
//!
//! The pipe is borrowed as soon as the agent is running. It is returned when the agent has exited or writes fast, since the shim handles the
//! end of the output, full disks and floods; and borrowed again when the agent writes little for a while.

use super::program::Supervisor;
use crate::process::shim::ShimCommand;

impl Supervisor {
    /// Asks the shim for the output of an agent that is running.
    pub(super) fn borrow_output(&mut self) {
        if !self.exited && self.outputs.is_some() && self.connection.lent().is_none() && self.lending.ask() {
            self.send_to_shim(&ShimCommand::Lend {});
        }
    }

    /// Asks for output that was returned, if the agent has written little since the last report.
    pub(super) fn borrow_output_again(&mut self, growth: u64) {
        if self.lending.is_due(growth) {
            self.borrow_output();
        }
    }

    /// Takes the output over, which has this length.
    pub(super) fn accept_output(&mut self, out: u64, max_out: u64) {
        if self.outputs.is_some() {
            self.spooled.out = self.spooled.out.max(out);
        }
        self.connection.borrow(out, max_out);
        // What happened while the answer was on its way.
        if self.exited || self.outputs.is_none() {
            self.return_output();
        }
    }

    /// Whether output was moved that was not noted.
    pub(super) fn has_unnoted_output(&self) -> bool {
        self.connection.lent().is_some_and(|lent| lent.length() > self.spooled.out)
    }

    /// Notes what was moved, and returns the output if the shim is to continue.
    pub(super) fn note_output(&mut self) {
        let Some(lent) = self.connection.lent() else { return };
        self.spooled.out = self.spooled.out.max(lent.length());
        if lent.is_over() {
            self.return_output();
        }
    }

    /// Returns the output, if it is lent.
    pub(super) fn return_output(&mut self) {
        let Some(length) = self.connection.return_output() else { return };
        self.lending.note_return();
        if self.outputs.is_some() {
            self.spooled.out = self.spooled.out.max(length);
        }
        // The shim knows nothing of what was read meanwhile, and would hold the agent back.
        self.send_acknowledgement();
    }
}
