//! A table of speeds, as text.
//!
//! Owns: the columns. Must not know: what is compared, how a run works.

use tete::bench::stats::median;
use tete::bench::turns::Row;

/// The line above the rows.
pub(crate) fn print_head() {
    println!("  {:42}  GB/s (least - most)    CPU s per GB: sender, receiver, both", "");
}

/// One line.
pub(crate) fn print(row: &Row, words: &str) {
    let (speed, [least, most]) = (row.speeds.median(), row.speeds.ends());
    print!("  {words:42}  {speed:4.2} ({least:4.2} - {most:4.2})");
    if !row.cpu[0].rounds().is_empty() {
        let [sender, receiver] = row.cpu.each_ref().map(|of| median(of.rounds()));
        print!("     {sender:4.2}  {receiver:4.2}  {:4.2}", sender + receiver);
    }
    println!();
}
