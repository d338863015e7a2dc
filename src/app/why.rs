//! Why a transfer was as slow as it was, as its user is told.
//!
//! Owns: the fields of it, and the line in the log. Must not know: how any of it was counted.

use crate::proto::TransferId;
use crate::proto::stages::{Resource, Stage, Stages};
use crate::term::json::Object;

/// Shares and seconds are told to so many parts of one.
const THOUSANDTHS: f64 = 1e3;

/// The fields of a transfer that is through: `limit`, null when no one thing was it, and `stages`, in seconds.
pub(super) fn fields(object: Object, stages: &Stages) -> Object {
    let sums = Stage::ALL.into_iter().filter(|stage| {
        // Of these two there is nothing to say once both sides have said what they waited for.
        let vague = matches!(stage.resource(), Resource::NetworkOrReceiver | Resource::NetworkOrSender);
        !vague || !stages.get(*stage).is_zero()
    });
    let sums = sums
        .fold(Object::empty(), |object, stage| object.field(stage.key(), &super::report::seconds(stages.get(stage))));
    let object = match stages.verdict().and_then(|verdict| verdict.limit()) {
        None => object.field("limit", &None::<f64>),
        Some(cause) => {
            let limit = Object::empty().field("resource", cause.resource.key()).field("stage", cause.stage.key());
            object.nested("limit", limit.field("share", &((cause.share * THOUSANDTHS).round() / THOUSANDTHS)))
        }
    };
    object.nested("stages", sums)
}

/// Into the log.
pub(super) fn log(id: TransferId, stages: &Stages) {
    if let Some(verdict) = stages.verdict() {
        log::info!("transfer {id}: {verdict}");
    }
}

/// Behind what `/status` says of a transfer.
pub(super) fn so_far(stages: Option<Stages>) -> String {
    stages.and_then(|stages| stages.verdict()).map_or_else(String::new, |verdict| format!("; so far {verdict}"))
}
