//! How much memory this process may use: what its control groups allow, or what the machine has.
//!
//! Linux tells it in files, of two versions. Inside a container the group's path may lead nowhere, and
//! the root of the hierarchy is the container's own; so every folder on the way up is asked, and the
//! lowest limit counts.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of memory, where the system does not tell.
const ASSUMED: u64 = 1 << 30;

/// Bytes of memory that this process may use.
pub(crate) fn bytes() -> usize {
    let bytes = bytes_under(Path::new("/"));
    tracing::debug!(bytes, "memory of this machine or container");
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn bytes_under(root: &Path) -> u64 {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = machine_bytes(&read("proc/meminfo"));
    let groups = read("proc/self/cgroup");
    let limits = groups.lines().flat_map(|group| limit_files(root, group));
    let lowest = limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min();
    machine.into_iter().chain(lowest).min().unwrap_or(ASSUMED)
}

/// `MemTotal:       24105000 kB`
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// The files that may limit a group, which is a line such as `0::/system.slice/dynarust.service` or
/// `9:memory:/docker/1f`.
fn limit_files(root: &Path, group: &str) -> Vec<PathBuf> {
    let mut parts = group.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (hierarchy, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        it if it.split(',').any(|it| it == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let hierarchy = root.join(hierarchy);
    let own = hierarchy.join(path.trim_start_matches('/'));
    own.ancestors()
        .take_while(|folder| folder.starts_with(&hierarchy))
        .map(|folder| folder.join(file))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        2048 kB\nMemFree:         1 kB\n";

    fn bytes_with(files: &[(&str, &str)]) -> u64 {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        bytes_under(root.path())
    }

    #[test]
    fn without_a_limit_it_is_the_machines() {
        assert_eq!(bytes_with(&[("proc/meminfo", MEMINFO)]), 2 << 20);
        let unlimited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "9:memory:/a\n0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
        ];
        assert_eq!(bytes_with(&unlimited), 2 << 20);
        assert_eq!(bytes_with(&[]), ASSUMED);
        assert_eq!(
            bytes_with(&[("proc/meminfo", "MemTotal: lots"), ("proc/self/cgroup", "x")]),
            ASSUMED
        );
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let second = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "1048576\n"),
            ("sys/fs/cgroup/a/memory.max", "524288\n"),
        ];
        assert_eq!(bytes_with(&second), 512 << 10);
        let first = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "9:cpu,memory:/docker/1f\n1:name=systemd:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "131072\n"),
        ];
        assert_eq!(bytes_with(&first), 128 << 10, "the path of the group leads nowhere");
    }
}
