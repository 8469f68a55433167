//! Reads the numbers out of what test runners print.

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Counts {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

/// `Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped`.
pub(super) fn of_nextest(text: &str) -> Counts {
    let summary = text
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with("Summary ["));
    let Some((_, parts)) = summary.and_then(|line| line.split_once("run:")) else {
        return Counts::default();
    };
    let number = |word: &str| sum_before(parts, word);
    Counts {
        passed: number("passed"),
        failed: number("failed") + number("timed out") + number("exec failed"),
    }
}

/// `test result: ok. 3 passed; 0 failed; …`, once per test binary.
pub(super) fn of_cargo_test(text: &str) -> Counts {
    let results = text
        .lines()
        .filter(|line| line.starts_with("test result: "));
    results.fold(Counts::default(), |sum, line| {
        sum.plus(Counts {
            passed: sum_before(line, "passed"),
            failed: sum_before(line, "failed"),
        })
    })
}

/// Sum of the numbers right before `word`.
fn sum_before(line: &str, word: &str) -> u64 {
    let numbers = line.match_indices(word).filter_map(|(at, _)| {
        line[..at]
            .trim_end()
            .rsplit(|c: char| !c.is_ascii_digit())
            .next()?
            .parse::<u64>()
            .ok()
    });
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_summaries_are_read() {
        let text = "noise\n     Summary [   0.5s] 12 tests run: 9 passed (2 slow, 1 leaky), \
                    2 failed, 1 timed out, 3 skipped\nmore";
        assert_eq!(
            of_nextest(text),
            Counts {
                passed: 9,
                failed: 3
            }
        );
        assert_eq!(of_nextest("error: could not compile"), Counts::default());
    }

    #[test]
    fn an_interrupted_nextest_run_is_read() {
        let text = " Summary [ 0.1s] 3/12 tests run: 2 passed, 1 failed, 0 skipped";
        assert_eq!(
            of_nextest(text),
            Counts {
                passed: 2,
                failed: 1
            }
        );
    }

    #[test]
    fn results_of_all_binaries_are_added() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured";
        assert_eq!(
            of_cargo_test(text),
            Counts {
                passed: 4,
                failed: 2
            }
        );
    }
}
