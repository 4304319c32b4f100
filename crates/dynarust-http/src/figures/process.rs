//! The process in numbers, as the kernel tells them (`proc(5)`).
//!
//! What cannot be read is left out: figures are for watching, and nothing else hangs on them.

use std::fs;

/// The kernel's clock ticks in a second, as it shows them to every process.
const TICKS_A_SECOND: f64 = 100.0;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Process {
    /// Seconds of all cores' time.
    pub(super) cpu_seconds: Option<f64>,
    /// Bytes of memory that are really there.
    pub(super) resident_bytes: Option<u64>,
    /// Bytes of address space.
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    /// Open file handles: sockets, files, and the like.
    pub(super) open_files: Option<u64>,
    /// How many it may open.
    pub(super) open_files_max: Option<u64>,
}

impl Process {
    /// This process, now.
    pub(super) async fn read() -> Self {
        // The kernel makes these files on the spot, which takes longer the more is open.
        tokio::task::spawn_blocking(Self::read_blocking).await.unwrap_or_default()
    }

    fn read_blocking() -> Self {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        Self {
            open_files: open_files(),
            ..Self::of(&read("stat"), &read("status"), &read("limits"))
        }
    }

    fn of(stat: &str, status: &str, limits: &str) -> Self {
        let kilobytes = |name| line(status, name).map(|kilobytes| kilobytes * 1024);
        Self {
            cpu_seconds: cpu_seconds(stat),
            resident_bytes: kilobytes("VmRSS:"),
            virtual_bytes: kilobytes("VmSize:"),
            threads: line(status, "Threads:"),
            open_files: None,
            open_files_max: line(limits, "Max open files"),
        }
    }
}

/// The first number behind the name that a line begins with.
fn line(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User's and system's time. The program's name before them may hold anything, so they are counted
/// from the bracket behind it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// Newer kernels (6.2) tell the number as the folder's size; elsewhere its entries are counted.
fn open_files() -> Option<u64> {
    let told = fs::metadata("/proc/self/fd").ok()?.len();
    if told > 0 {
        return Some(told);
    }
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_files_are_understood() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 99 1 2 3";
        let status = "Name:\ta\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t9\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        let expected = Process {
            cpu_seconds: Some(2.0),
            resident_bytes: Some(1 << 20),
            virtual_bytes: Some(2 << 20),
            threads: Some(9),
            open_files: None,
            open_files_max: Some(1024),
        };
        assert_eq!(Process::of(stat, status, limits), expected);
        assert_eq!(Process::of("", "", "Max open files unlimited"), Process::default());
    }

    #[test]
    fn this_process_is_told() {
        let process = Process::read_blocking();
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.threads.unwrap() >= 1);
        assert!(process.open_files.unwrap() >= 3);
        assert!(process.open_files_max.unwrap() >= process.open_files.unwrap());
        assert!(process.cpu_seconds.unwrap() >= 0.0);
    }
}
