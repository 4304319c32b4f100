//! The bugs that are planted to prove the simulator: that their patches can be. That they are found takes a build
//! each, and is `planted/run`'s business.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// So many are promised (docs/testing.md).
    const PLANTED_MIN: usize = 12;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("planted")
    }

    /// All patches, by name.
    fn patches() -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
        let patches = entries.filter(|path| path.extension().is_some_and(|it| it == "patch"));
        let mut patches: Vec<_> = patches
            .map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        patches.sort();
        patches
    }

    #[test]
    fn there_are_enough_of_them_numbered_without_holes() {
        let patches = patches();
        assert!(patches.len() >= PLANTED_MIN, "there are {}", patches.len());
        for ((name, _), number) in patches.iter().zip(1..) {
            let (start, short) = name.split_once('-').unwrap();
            assert_eq!(start, format!("{number:02}"), "{name}");
            assert!(short.bytes().all(|it| it == b'-' || it.is_ascii_lowercase()), "{name}");
        }
    }

    #[test]
    fn each_says_what_it_breaks_and_how_soon_that_is_found() {
        for (name, patch) in patches() {
            let (header, _) = patch.split_once("\ndiff --git ").unwrap();
            let lines: Vec<_> = header.lines().collect();
            let starts = ["Bug: ", "Breaks: ", "Found by: ", "Within: "];
            assert_eq!(lines.len(), starts.len(), "{name}: {header}");
            let mut texts = lines.iter().zip(starts).map(|(line, start)| {
                let text = line.strip_prefix(start);
                text.filter(|it| !it.trim().is_empty()).unwrap_or_else(|| panic!("{name}: {line}"))
            });
            let within = texts.nth(3).unwrap();
            let (count, rest) = within.split_once(" seeds").unwrap();
            assert!(count.parse::<u64>().unwrap() > 0, "{name}");
            let from = rest.strip_prefix(" from ").map(|from| from.parse::<u64>().unwrap());
            assert!(rest.is_empty() || from.is_some(), "{name}: {within}");
        }
    }

    #[test]
    fn none_touches_what_judges_it() {
        for (name, patch) in patches() {
            for line in patch.lines().filter(|line| line.starts_with("+++ ")) {
                let judges = ["crates/dynarust-sim/", "crates/dynarust-history/"];
                assert!(!judges.iter().any(|judge| line.contains(judge)), "{name}: {line}");
            }
        }
    }

    #[test]
    fn each_applies() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let git =
            |arguments: &[&str]| Command::new("git").current_dir(&root).args(arguments).output();
        if !git(&["rev-parse", "--show-toplevel"]).is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: whether the planted bugs apply: there is no git, or no repository");
            return;
        }
        for (name, _) in patches() {
            let path = folder().join(format!("{name}.patch"));
            let output = git(&["apply", "--check", path.to_str().unwrap()]).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name} applies no more: make it anew. {said}");
        }
    }
}
