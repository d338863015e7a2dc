//! What was measured, as one document for programs.
//!
//! Owns: its shape, and the number of that shape. Must not know: how anything was measured.
//!
//! Units are in the names or plain: bytes, seconds. Fields may be added under the same number; one that changes its
//! meaning or goes changes the number, from the first release on.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::proto::stages::{Stage, Stages};

use super::Report;
use super::idle::Quiet;
use super::matrix::{Files, Measured};
use super::per_text::PerText;
use super::stats::{NOISY, Sample};
use super::table::doubts;
use super::talk::{QUANTILES, Situation};
use super::ways::Way;

/// The number of the document's shape.
pub const VERSION: u32 = 1;

/// The part that is longer than a point of a curve of times, to that of the next one: 8 points make a tenth.
const CURVE: f64 = 1.333_521_432_163_324;

/// Everything that was measured.
pub fn document(report: &Report) -> Value {
    let mut document = json!({
        "version": VERSION,
        "tete": env!("CARGO_PKG_VERSION"),
        "machine": report.machine.document(),
        "seconds": report.seconds,
        "noisy_above": NOISY,
        "doubts": doubts(report),
    });
    if let Some(error) = &report.error {
        document["error"] = error.as_str().into();
    }
    if let Some(files) = &report.files {
        document["files"] = files_document(files);
    }
    if let Some(texts) = &report.texts {
        document["texts"] = texts.iter().map(text).collect();
    }
    if let Some(Ok(calls)) = &report.text_calls {
        let one = |of: &PerText| json!({ "over": of.over.word(), "asking": of.calls[0], "answering": of.calls[1] });
        document["calls_per_text"] = calls.iter().map(one).collect();
    }
    if let Some(idle) = &report.idle {
        document["start_seconds"] = sample(&idle.start, 1.0);
        document["idle"] = idle.quiet.iter().map(quiet).collect();
    }
    document
}

fn text(of: &Situation) -> Value {
    let ratio = |quantile| of.ratio(quantile);
    json!({
        "encrypted": of.encrypted,
        "beside": of.load.word(),
        "files_bytes_per_second": of.files_speed(),
        "text_seconds": times(&of.texts),
        "bare_seconds": times(&of.bare),
        "ratio": { "p50": ratio(0.5), "p90": ratio(0.9), "p99": ratio(0.99), "p99.9": ratio(0.999) },
    })
}

fn times(of: &Histogram<u64>) -> Value {
    let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
    let mut times = json!({ "n": of.len(), "most": seconds(of.max()) });
    for (quantile, name) in QUANTILES {
        times[name] = seconds(of.value_at_quantile(quantile)).into();
    }
    // Densest where it matters: so many points for each further tenth of the longest.
    let mut curve = Vec::new();
    let mut beyond = 1.0;
    while beyond * of.len() as f64 >= 1.0 {
        curve.push([1.0 - beyond, seconds(of.value_at_quantile(1.0 - beyond))]);
        beyond /= CURVE;
    }
    times["curve"] = json!(curve);
    times
}

fn quiet(of: &Quiet) -> Value {
    let side = |which: usize| json!({ "wakes": of.wakes[which], "resident_bytes": of.resident[which] });
    json!({ "encrypted": of.encrypted, "seconds": of.seconds, "called": side(0), "calling": side(1) })
}

fn files_document(files: &Files) -> Value {
    let [memory, disk] = files.folders.each_ref().map(|folder| folder.as_ref().map(|path| path.to_string_lossy()));
    json!({
        "bytes": files.size,
        "cold": files.cold,
        "memory": memory,
        "disk": disk,
        "not_counted": files.not_counted,
        "results": files.all.iter().map(|one| result(files, one)).collect::<Vec<_>>(),
    })
}

fn result(files: &Files, one: &Measured) -> Value {
    let case = one.case;
    let probe = match one.way {
        Way::Tete(_) => Value::Null,
        other => other.words().into(),
    };
    let share = files.share(one);
    let [sender, receiver] = one.row.cpu.each_ref().map(Sample::median);
    json!({
        "from": case.from.word(),
        "into": case.into.word(),
        "encrypted": case.encrypted,
        "verified": case.verified,
        "synced": case.synced,
        "probe": probe,
        "copied": matches!(one.way, Way::Tete(how) if how.copied),
        "bytes_per_second": sample(&one.row.speeds, 1e9),
        "cpu_seconds_per_gb": { "sender": sender, "receiver": receiver },
        "calls_per_mb": one.calls.map(|[sender, receiver]| json!({ "sender": sender, "receiver": receiver })),
        "timeline": one.row.timeline,
        "stages": one.row.stages.verdict().map(|_| stages(&one.row.stages)),
        "limit": one.row.stages.verdict().map(|verdict| verdict.to_string()),
        "share": share.map(|(share, _)| share),
        "share_is_steady": share.map(|(_, steady)| steady),
    })
}

/// The stages that took any time, in seconds of all rounds together.
pub(super) fn stages(of: &Stages) -> Map<String, Value> {
    let seconds = |stage: Stage| (stage.key().to_owned(), of.get(stage).as_secs_f64().into());
    Stage::ALL.into_iter().filter(|stage| !of.get(*stage).is_zero()).map(seconds).collect()
}

/// Rounds, in some unit of which `scale` smaller ones make one.
pub fn sample(of: &Sample, scale: f64) -> Value {
    let [least, most] = of.ends();
    json!({
        "median": of.median() * scale,
        "least": least * scale,
        "most": most * scale,
        "n": of.rounds().len(),
        "spread": of.spread(),
        "noisy": of.is_noisy(),
        "rounds": of.rounds().iter().map(|round| round * scale).collect::<Vec<_>>(),
    })
}
