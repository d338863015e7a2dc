//! What was measured, as text for a person.
//!
//! Owns: the tables, and the words about what they are worth. Must not know: how anything was measured.

use std::fmt::Write;
use std::path::Path;

use bytesize::ByteSize;

use super::Report;
use super::folders::is_in_memory;
use super::idle::Idle;
use super::matrix::{Case, Files, Measured};
use super::per_text::PerText;
use super::stats::{FEWEST, NOISY};
use super::talk::{INTERRUPTED, Load, QUANTILES, Situation};
use super::ways::Way;

/// Everything, line by line.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}", report.machine.words())?;
    writeln!(out, "two processes on this machine, over loopback; medians of rounds in turn, after one to warm up")?;
    if let Some(files) = &report.files {
        write_files(files, out)?;
    }
    if let Some(texts) = &report.texts {
        write_texts(texts, out)?;
    }
    if let Some(calls) = &report.text_calls {
        write_calls(calls, out)?;
    }
    if let Some(idle) = &report.idle {
        write_idle(idle, out)?;
    }
    writeln!(out)?;
    for doubt in doubts(report) {
        writeln!(out, "{doubt}")?;
    }
    writeln!(out, "{:.0} s in all", report.seconds)
}

fn write_files(files: &Files, out: &mut String) -> std::fmt::Result {
    let rounds = files.all.first().map_or(0, |one| one.row.speeds.rounds().len());
    let plural = if rounds == 1 { "" } else { "s" };
    write!(out, "\nFILES  {}, {rounds} round{plural}", ByteSize::b(files.size).display().iec())?;
    for (folder, word) in files.folders.iter().zip(["memory", "disk"]) {
        let path = folder.as_deref().map(Path::display);
        path.map_or(Ok(()), |path| write!(out, "; {word}: {path}"))?;
    }
    writeln!(out, "{}", if files.cold { ", read from there anew each time" } else { "" })?;
    let mut last: Option<Case> = None;
    for one in &files.all {
        if last != Some(one.case) {
            last = Some(one.case);
            let head = one.case.words();
            writeln!(out, "\n  {head:64}   GB/s  least - most   CPU s/GB: sends receives  of the probe")?;
        }
        write_row(files, one, out)?;
    }
    let counted = |way: Way| files.all.iter().find(|one| one.way == way).and_then(|one| one.calls);
    if let Some(why) = &files.not_counted {
        if why != "only with --full" {
            writeln!(out, "\n  system calls were not counted: {why}")?;
        }
    } else {
        writeln!(out, "\n  {:50}   system calls per MB: sends receives", "counted by strace, in runs of their own")?;
        for one in files.all.iter().filter(|one| counted(one.way).is_some()) {
            let Some([sends, receives]) = one.calls else { continue };
            writeln!(out, "    {:48} {sends:28.2} {receives:8.2}   {}", words(one), one.case.words())?;
        }
    }
    Ok(())
}

fn words(one: &Measured) -> String {
    match one.way {
        Way::Raw { by, .. } => format!("probe: sendfile -> {}", by.words()),
        Way::Tls(_) => "probe: rustls, blocking".to_owned(),
        Way::Tete(how) if how.copied => "tete, by copying".to_owned(),
        Way::Tete(_) => "tete".to_owned(),
    }
}

fn write_row(files: &Files, one: &Measured, out: &mut String) -> std::fmt::Result {
    let (speed, [least, most]) = (one.row.speeds.median(), one.row.speeds.ends());
    let [sends, receives] = one.row.cpu.each_ref().map(super::stats::Sample::median);
    let share = match files.share(one) {
        Some((share, true)) => format!("{:4.0}%", share * 100.0),
        Some((share, false)) => format!("{:4.0}% ?", share * 100.0),
        None => String::new(),
    };
    let line = format!(
        "    {:62} {speed:6.2} {least:6.2} - {most:5.2} {:9} {sends:6.2}  {receives:6.2} {share:>14}",
        words(one),
        ""
    );
    writeln!(out, "{}", line.trim_end())?;
    one.row.stages.verdict().map_or(Ok(()), |verdict| writeln!(out, "      {verdict}"))
}

fn write_texts(texts: &[Situation], out: &mut String) -> std::fmt::Result {
    writeln!(out, "\nTEXTS  there and back, µs from when each was planned; beside them a bare echo, in turn")?;
    for one in texts {
        let channel = if one.encrypted { "encrypted" } else { "plain" };
        let beside = match one.load {
            Load::Nothing => "alone".to_owned(),
            other => format!("while {} files at {:.2} GB/s", other.word(), one.files_speed() / 1e9),
        };
        let names = QUANTILES.map(|(_, name)| format!("{name:>9}")).concat();
        writeln!(out, "\n  {:48}{names}      most        n", format!("{channel}, {beside}"))?;
        for (words, times) in [("bare echo", &one.bare), ("tete", &one.texts)] {
            let shown = QUANTILES.map(|(quantile, _)| match times.len() as f64 * (1.0 - quantile) < 1.0 {
                true => format!("{:>9}", "-"), // it would be the longest
                false => format!("{:9.0}", times.value_at_quantile(quantile) as f64 / 1e3),
            });
            writeln!(out, "    {words:46}{} {:9.0} {:8}", shown.concat(), times.max() as f64 / 1e3, times.len())?;
        }
        let ratios = QUANTILES.map(|(quantile, _)| match one.ratio(quantile) {
            Some(ratio) => format!("{ratio:9.2}"),
            None => format!("{:>9}", "-"),
        });
        writeln!(out, "    {:46}{}", "tete / bare echo", ratios.concat())?;
    }
    Ok(())
}

fn write_calls(calls: &Result<Vec<PerText>, String>, out: &mut String) -> std::fmt::Result {
    let all = match calls {
        Ok(all) => all,
        Err(why) => return writeln!(out, "\n  system calls of texts were not counted: {why}"),
    };
    let head = "counted by strace, one text at a time";
    writeln!(out, "\n  {head:48}   system calls for a text and its answer: asks answers")?;
    for PerText { over, calls: [asks, answers] } in all {
        writeln!(out, "    {:46} {asks:46.1} {answers:7.1}", over.words())?;
    }
    Ok(())
}

fn write_idle(idle: &Idle, out: &mut String) -> std::fmt::Result {
    let [least, most] = idle.start.ends().map(|seconds| seconds * 1e3);
    let start = idle.start.median() * 1e3;
    writeln!(
        out,
        "\nSTART  {start:.1} ms until it listens ({least:.1} - {most:.1}, {} times)",
        idle.start.rounds().len()
    )?;
    for one in &idle.quiet {
        let channel = if one.encrypted { "encrypted" } else { "plain" };
        let [a, b] = one.resident.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let [c, d] = one.wakes;
        let words = format!("{channel}, in {:.1} s: {c} and {d} wake-ups, {a:.1} and {b:.1} MiB resident", one.seconds);
        writeln!(out, "IDLE   {words} (called, calling)")?;
    }
    Ok(())
}

/// What makes the figures worth less, in words.
pub fn doubts(report: &Report) -> Vec<String> {
    let mut doubts = Vec::new();
    if report.machine.debug {
        doubts.push("this is a debug build: its speeds mean nothing".to_owned());
    }
    if let Some(load) = report.machine.load.filter(|_| report.machine.is_busy()) {
        doubts.push(format!("other programs were busy when it began: {load:.1} of them at a time in the last minute"));
    }
    if let Some(files) = &report.files {
        let [memory, disk] = files.folders.each_ref().map(Option::as_ref);
        if let Some(folder) = memory.filter(|folder| !is_in_memory(folder)) {
            doubts.push(format!("{} is called memory here, and is on a disk", folder.display()));
        }
        if let Some(folder) = disk.filter(|folder| is_in_memory(folder)) {
            doubts.push(format!("{} is called a disk here, and is in memory", folder.display()));
        }
        let told = |one: &&Measured| one.row.speeds.rounds().len() >= FEWEST;
        let noisy = files.all.iter().filter(told).filter(|one| one.row.speeds.is_noisy()).count();
        let all = files.all.len();
        if noisy > 0 {
            doubts.push(format!(
                "too noisy to tell (?) where the middle half of the rounds lies more than {:.0}% of the median apart: \
                 {noisy} of {all} rows",
                NOISY * 100.0
            ));
        }
        if files.all.iter().any(|one| one.row.speeds.rounds().len() < FEWEST) {
            doubts.push(format!("too few rounds to tell (?): {FEWEST} at least would show how far they lie apart"));
        }
    }
    let alone = report.texts.iter().flatten().filter(|one| one.load == Load::Nothing);
    for ratio in alone.filter_map(Situation::interrupted).take(1) {
        doubts.push(format!(
            "texts: something interrupts this machine: of a bare echo alone, p99 is {ratio:.0} times p50 (more than \
             {INTERRUPTED} is called noisy)"
        ));
    }
    doubts
}
