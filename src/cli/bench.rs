//! What may stand behind `tete bench`.
//!
//! Owns: the flags of a benchmark on this machine (`between`: of one between two), and which of them exclude each other. Must not know: what is measured.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::app::code::CodeFrom;
use crate::app::config::Config;
use crate::app::exit::UsageError;
use crate::bench::between::Orders;
use crate::bench::plan::{Effort, Part, Plan, SIZES};

use super::between::Between;
use super::values;

const PARTS: [(&str, Part); 3] = [("files", Part::Files), ("texts", Part::Texts), ("idle", Part::Idle)];

#[derive(Args, Clone, Default, PartialEq)]
pub(super) struct Choices {
    #[command(flatten)]
    pub(super) between: Between,
    /// What matters most, in under 20 seconds
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Every combination, for some minutes
    #[arg(long)]
    full: bool,
    /// Measure this part alone
    #[arg(long, value_name = "PART", value_parser = values::choice(&PARTS), hide_possible_values = true)]
    only: Option<Part>,
    /// Bytes of the file: 512Mi, 1G (128Mi)
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// A folder in memory (/dev/shm)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    memory: Option<PathBuf>,
    /// A folder on a disk (this one)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    disk: Option<PathBuf>,
    /// Read from the disk, not from the system's cache
    #[arg(long)]
    cold: bool,
    /// Write a page for a browser too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
}

impl Choices {
    /// Between two machines.
    pub(super) fn into_between(
        self,
        json: bool,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<(Config, Option<CodeFrom>, Orders), UsageError> {
        if (Self { between: Between::default(), ..self.clone() }) != Self::default() {
            let hint = "tete bench --help lists both";
            return Err(UsageError::new("between two machines there are other options than on one", hint));
        }
        self.between.into_orders(json, environment)
    }

    /// On this machine.
    pub(super) fn into_plan(self, json: bool) -> Result<Plan, UsageError> {
        let effort = match (self.quick, self.full) {
            (true, _) => Effort::Quick,
            (_, true) => Effort::Full,
            _ => Effort::Usual,
        };
        if effort == Effort::Quick && (self.cold || self.disk.is_some()) {
            let flag = if self.cold { "--cold" } else { "--disk" };
            return Err(UsageError::new(
                format!("--quick leaves the disk out, so {flag} does nothing"),
                "give one of them",
            ));
        }
        let of_disks = [("--cold", self.cold), ("--disk", self.disk.is_some())];
        let is_without = self.only.is_some_and(|part| part != Part::Files);
        if let Some((flag, _)) = of_disks.iter().find(|(_, given)| is_without && *given) {
            return Err(UsageError::new(format!("{flag} is about files, which --only leaves out"), "give one of them"));
        }
        if self.disk.is_some() && self.disk == self.memory {
            return Err(UsageError::new("--disk and --memory are the same folder", "leave one of them out"));
        }
        let size = self.size.as_deref().map(size).transpose()?;
        let Self { only, memory, disk, cold, html, .. } = self;
        Ok(Plan { effort, only, size, memory, disk, cold, json, html })
    }
}

fn size(text: &str) -> Result<u64, UsageError> {
    let [least, most] = SIZES;
    let found = text.parse::<bytesize::ByteSize>().ok().map(|size| size.as_u64());
    found.filter(|size| (least..=most).contains(size)).ok_or_else(|| {
        UsageError::new(
            format!("--size {text:?} is not a size from 1 MiB to 64 GiB (1Mi to 64Gi)"),
            "for instance 512Mi, or 1G (10^9 bytes)",
        )
    })
}
