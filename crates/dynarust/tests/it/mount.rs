//! Real file systems of the test's own: a small tmpfs that fills up, an ext4 that loses its power.
//!
//! Both need root (and loop devices). Where that is missing the test says aloud that it was skipped;
//! with `CI=true` it fails, so that no run of the full proof leaves them out in silence.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Whether mounts can be made here. Says so where they can't; panics where they must.
pub(crate) fn can_mount(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    let possible = root && Path::new("/dev/loop-control").exists();
    let must = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(possible || !must, "{test} needs root and loop devices, and CI=true demands it");
    if !possible {
        eprintln!("!! SKIPPED: {test} needs root and loop devices");
    }
    possible
}

/// A mounted file system; unmounted when dropped, by a panic too.
#[derive(Debug)]
pub(crate) struct Mount {
    home: TempDir,
    image: Option<PathBuf>,
    mounted: bool,
}

impl Mount {
    /// A tmpfs of this size in MiB.
    pub(crate) fn tmpfs(mebibytes: u32) -> Mount {
        let mut mount = Mount::unmounted(None);
        let size = format!("size={mebibytes}m");
        let target = mount.path();
        mount.mounted = run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", text(&target)]);
        mount
    }

    /// An ext4 in a file, behind a loop device.
    pub(crate) fn ext4(mebibytes: u32) -> Mount {
        let mut mount = Mount::unmounted(Some("ext4.image"));
        let image = mount.image.clone().unwrap();
        run("truncate", &["-s", &format!("{mebibytes}M"), text(&image)]);
        run("mkfs.ext4", &["-q", "-F", text(&image)]);
        mount.mount_image();
        mount
    }

    fn unmounted(image: Option<&str>) -> Mount {
        let home = tempfile::tempdir().unwrap();
        let image = image.map(|name| home.path().join(name));
        std::fs::create_dir(home.path().join("root")).unwrap();
        Mount { home, image, mounted: false }
    }

    /// Where the file system is seen.
    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("root")
    }

    fn mount_image(&mut self) {
        let (image, target) = (self.image.clone().unwrap(), self.path());
        self.mounted = run("mount", &["-o", "loop", text(&image), text(&target)]);
    }

    /// Pulls the plug of this one.
    pub(crate) fn shut_down(&self) {
        shut_down([self]);
    }

    /// The power comes back: mounted again, from what the disk holds.
    pub(crate) fn mount_again(&mut self) {
        self.unmount();
        self.mount_image();
    }

    fn unmount(&mut self) {
        if std::mem::take(&mut self.mounted) {
            run("umount", &[text(&self.path())]);
        }
    }
}

/// Pulls the plug of all these: from now on nothing reaches the disks, and what was not synced never will
/// (`EXT4_IOC_SHUTDOWN` without a flush of the log).
pub(crate) fn shut_down<'a>(mounts: impl IntoIterator<Item = &'a Mount>) {
    const SHUT_DOWN: &str = "my $no_flush = pack(q(L), 2);
my @folders = map { open(my $folder, q(<), $_) or die $!; $folder } @ARGV;
ioctl($_, 0x8004587d, $no_flush) or die $! for @folders;";
    let paths: Vec<PathBuf> = mounts.into_iter().map(Mount::path).collect();
    let mut arguments = vec!["-e", SHUT_DOWN];
    arguments.extend(paths.iter().map(|path| text(path)));
    run("perl", &arguments);
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a process that has not quite ended must not leave a mount behind.
            let _status = Command::new("umount").arg("-l").arg(self.path()).status();
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    true
}
