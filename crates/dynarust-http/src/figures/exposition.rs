//! Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
//!
//! A family is begun, then its samples follow: so all samples of a family stand together, as the
//! format asks.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::latencies::Recorded;

/// The highest bounds of a histogram's buckets are powers of two from here …
const MICROS_MIN: u64 = 1 << 3;
/// … to here: 8 µs to 16.8 s.
const MICROS_MAX: u64 = 1 << 24;

/// What a family's samples do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only rise, from the process's start on.
    Counter,
    /// They rise and fall.
    Gauge,
    /// They are buckets, a sum and a count.
    Histogram,
}

/// The text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    family: &'static str,
}

/// The labels of a sample, in order.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Self {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        self
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// A family of one sample.
    pub(super) fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        value: impl Display,
    ) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The samples of a histogram, in seconds.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, recorded: &Recorded) {
        let mut micros = MICROS_MIN;
        while micros <= MICROS_MAX {
            let bound = seconds(Duration::from_micros(micros));
            self.line("_bucket", labels, Some(&bound), recorded.below(micros));
            micros *= 2;
        }
        self.line("_bucket", labels, Some("+Inf"), recorded.count);
        self.line("_sum", labels, None, recorded.sum.as_secs_f64());
        self.line("_count", labels, None, recorded.count);
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let family = self.family;
        self.push(format_args!("{family}{suffix}"));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            self.push(format_args!("{separator}{name}=\""));
            self.push_escaped(value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.push(format_args!(" {value}\n"));
    }

    fn push_escaped(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                other => self.text.push(other),
            }
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into memory cannot fail.
        let _ = self.text.write_fmt(text);
    }
}

/// Seconds as a decimal without an exponent.
fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:06}", duration.as_secs(), duration.subsec_micros());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latencies::Latencies;

    #[test]
    fn samples_stand_behind_their_family() {
        let mut exposition = Exposition::default();
        exposition.single("a_total", Kind::Counter, "All.", 3);
        exposition.family("b", Kind::Gauge, "Some.").sample(&[("x", "\"\\\n"), ("y", "")], 0.5);
        let expected = "# HELP a_total All.\n# TYPE a_total counter\na_total 3\n\
                        # HELP b Some.\n# TYPE b gauge\nb{x=\"\\\"\\\\\\n\",y=\"\"} 0.5\n";
        assert_eq!(exposition.into_text(), expected);
    }

    #[test]
    fn a_histogram_s_buckets_include_those_below() {
        let latencies = Latencies::new();
        for micros in [1, 9, 10_000_000, 60_000_000] {
            latencies.record(Duration::from_micros(micros));
        }
        let mut exposition = Exposition::default();
        exposition.family("h_seconds", Kind::Histogram, "Some.");
        exposition.histogram(&[("o", "p")], &latencies.recorded());
        let text = exposition.into_text();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "h_seconds_bucket{o=\"p\",le=\"0.000008\"} 1");
        assert_eq!(lines[1], "h_seconds_bucket{o=\"p\",le=\"0.000016\"} 2");
        let end = &lines[lines.len() - 4..];
        assert_eq!(end[0], "h_seconds_bucket{o=\"p\",le=\"16.777216\"} 3");
        assert_eq!(end[1], "h_seconds_bucket{o=\"p\",le=\"+Inf\"} 4");
        assert_eq!(end[2], "h_seconds_sum{o=\"p\"} 70.00001");
        assert_eq!(end[3], "h_seconds_count{o=\"p\"} 4");
    }
}
