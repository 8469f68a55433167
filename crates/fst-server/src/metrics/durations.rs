//! How long requests took, as a histogram of the Prometheus text format.

use std::fmt::Write as _;
use std::time::Duration;

/// Upper ends of the buckets, milliseconds: from what a request in memory takes to what a person gives up at. Polls that wait
/// for changes and uploads on slow lines lie beyond.
const ENDS_MS: [u64; 10] = [1, 5, 10, 25, 50, 100, 250, 1000, 2500, 10_000];

/// Requests of one route by the time they took.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations {
    /// Of each bucket alone; the last one has no end.
    counts: [u64; ENDS_MS.len() + 1],
    sum_us: u64,
}

impl Durations {
    pub(super) fn note(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = ENDS_MS.partition_point(|end| end * 1000 < us);
        self.counts[bucket] += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// The lines of one route. Each bucket holds those before it too.
    pub(super) fn render(&self, out: &mut String, name: &str, route: &str) {
        let mut n = 0;
        for (i, count) in self.counts.iter().enumerate() {
            n += count;
            let end = ENDS_MS
                .get(i)
                .map_or("+Inf".to_owned(), |ms| seconds(ms * 1000));
            // Writing to a String cannot fail.
            writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"{end}\"}} {n}")
                .unwrap_or_default();
        }
        let sum = seconds(self.sum_us);
        writeln!(out, "{name}_sum{{route=\"{route}\"}} {sum}").unwrap_or_default();
        writeln!(out, "{name}_count{{route=\"{route}\"}} {n}").unwrap_or_default();
    }
}

/// Microseconds in seconds, without what is not needed behind the point.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_those_before_them() {
        let mut durations = Durations::default();
        for us in [0, 1000, 1001, 25_000, 9_000_000, 60_000_000] {
            durations.note(Duration::from_micros(us));
        }
        let mut out = String::new();
        durations.render(&mut out, "d", "/r");
        let lines: Vec<&str> = out.lines().collect();
        let wanted = [
            "0.001\"} 2",
            "0.005\"} 3",
            "0.01\"} 3",
            "0.025\"} 4",
            "0.05\"} 4",
            "0.1\"} 4",
            "0.25\"} 4",
            "1\"} 4",
            "2.5\"} 4",
            "10\"} 5",
            "+Inf\"} 6",
        ];
        for (line, end) in lines.iter().zip(wanted) {
            assert_eq!(*line, format!("d_bucket{{route=\"/r\",le=\"{end}"));
        }
        assert_eq!(lines[11], "d_sum{route=\"/r\"} 69.027001");
        assert_eq!(lines[12], "d_count{route=\"/r\"} 6");
    }
}
