//! The simulator as it is used: by its command.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Output};

    fn simulate(arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dynarust-sim")).args(arguments).output().unwrap()
    }

    fn trace(seed: &str, path: &Path) -> String {
        let output = simulate(&["--seed", seed, "--trace", path.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_trace_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        for seed in ["1", "2", "3"] {
            let first = trace(seed, &folder.path().join("first"));
            let second = trace(seed, &folder.path().join("second"));
            let different =
                first.lines().zip(second.lines()).find(|(first, second)| first != second);
            assert_eq!(different, None);
            assert!(first == second && first.lines().count() > 1000);
        }
        let [one, other] = ["1", "2"].map(|seed| trace(seed, &folder.path().join("one")));
        assert_ne!(one, other);
    }

    #[test]
    fn what_came_of_a_seed_is_told() {
        let output = simulate(&["--seed", "1", "--json"]);
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&summary["seed"], &summary["violations"]), (&1.into(), &serde_json::json!([])));
        assert!(summary["counts"]["operations"].as_u64() > Some(100), "{summary}");
        let output = simulate(&["--seeds", "1..3", "--threads", "1"]);
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && told.contains("2 seeds, 0 failed"), "{told}");
    }
}
