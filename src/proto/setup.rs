//! What is decided when a session begins.
//!
//! Owns: the choices of our side. Must not know: where they come from.

use std::time::Duration;

use super::transfers::Policy;

/// What is decided when a session begins.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whether we assigned the session; decides the parity of our transfers' numbers.
    pub lead: bool,
    /// What becomes of offers.
    pub policy: Policy,
    /// Whether a file counts as delivered only when it is on the disk.
    pub sync: bool,
    /// Whether files are hashed and compared. Off only in a measurement of what that costs, and then on both sides: a
    /// side that verifies takes no file from one that does not.
    pub verify: bool,
    /// Bytes a second for files that we send.
    pub limit: Option<u64>,
    /// Whether a talk link that is lost may be followed by another. If not, the session ends with it.
    pub returns: bool,
    /// How long a peer that does not answer, or whose link is lost, is waited for; and a slow reader, where no person waits.
    pub linger: Duration,
}
