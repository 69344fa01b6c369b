//! The machine: its cores, and what a process takes of it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde::Serialize;

use crate::Result;

/// Where the figures come from.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) load: String,
    /// Whether server and database share the first core, and the load comes from the last one.
    pub(crate) pinned: bool,
    pub(crate) postgres: String,
    pub(crate) optimised: bool,
}

impl Machine {
    pub(crate) fn look(cores: usize, pinned: bool, postgres: String) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            processor,
            cores,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg")
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
            pinned,
            postgres,
            optimised: !cfg!(debug_assertions),
        }
    }
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Keeps this process, and the threads it starts from now on, on the last core; false where that cannot be.
pub(crate) fn pin_self() -> bool {
    cores() > 1 && pin(std::process::id(), cores() - 1)
}

/// Keeps a process on a core; false where it belongs to somebody else, or there is no `taskset`.
pub(crate) fn pin(pid: u32, core: usize) -> bool {
    Command::new("taskset")
        .args([
            "--all-tasks",
            "--cpu-list",
            "--pid",
            &core.to_string(),
            &pid.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The processor time that a process has taken, user and system together.
///
/// The scheduler counts nanoseconds for each thread; where it does not tell, the ticks of `stat` have to do.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            return ticks(pid);
        };
        sum += text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// `utime` and `stime`, fields 14 and 15, in hundredths of a second.
fn ticks(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("a process without a name")?;
    let mut sum = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        sum += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(sum * 10))
}

/// Resident memory of a process in MiB: now, and at most so far.
pub(crate) fn resident(pid: u32) -> Result<(f64, f64)> {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let of = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or("no resident memory")?.parse::<f64>()? / 1024.0)
    };
    Ok((of("VmRSS:")?, of("VmHWM:")?))
}
