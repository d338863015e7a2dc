//! tete.

pub mod app;
pub mod cli;
pub mod net;
pub mod proto;
pub mod sys;
pub mod term;
