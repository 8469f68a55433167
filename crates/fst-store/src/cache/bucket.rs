//! Rate buckets: how much may happen in a time, decided from state, time and cost alone.
//!
//! Used by every backend of [`super::Cache`]; Redis runs the same sums in a script, and the conformance suite holds both
//! to the same rows. A bucket is one number, the time at which it will be full again, so an idle one need not be kept.
//! Invariant: what is granted ahead within any time `t` costs at most `quota + quota · t / window`, because no debt is
//! forgiven and no cost is rounded down. Not here: who has which bucket, where it is kept.
//! Source: docs/adr/0048-rate-limits.md.

/// How much may happen: a full bucket holds `quota`, and as much comes back in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What a full bucket holds.
    pub quota: u64,
    /// Milliseconds in which an empty bucket fills.
    pub window_ms: u64,
}

/// When something is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pay {
    /// Before it is done; refused when the bucket does not hold as much. Dearer than the whole bucket is a whole bucket.
    Ahead(u64),
    /// After it was done: never refused, what the bucket lacks is owed.
    After(u64),
}

/// Answer of a rate bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It may be done, or was.
    Granted {
        /// What the bucket still holds.
        left: u64,
        /// Milliseconds until it is full.
        full_ms: u64,
    },
    /// The bucket does not hold enough; nothing was taken.
    Empty {
        /// Milliseconds until it does.
        retry_ms: u64,
    },
}

impl Rate {
    /// Microseconds after which an empty bucket is full.
    pub(super) fn capacity_us(self) -> u64 {
        self.window_ms.saturating_mul(1000)
    }

    /// Microseconds in which as much comes back, rounded up.
    pub(super) fn cost_us(self, pay: Pay) -> u64 {
        let cost = match pay {
            Pay::Ahead(cost) => cost.min(self.quota),
            Pay::After(cost) => cost,
        };
        let us = u128::from(cost) * u128::from(self.capacity_us());
        u64::try_from(us.div_ceil(u128::from(self.quota.max(1)))).unwrap_or(u64::MAX)
    }

    /// The answer for a bucket that will be full in so many microseconds.
    pub(super) fn granted(self, full_us: u64) -> Taken {
        let capacity = self.capacity_us().max(1);
        let held = u128::from(capacity.saturating_sub(full_us)) * u128::from(self.quota);
        Taken::Granted {
            left: u64::try_from(held / u128::from(capacity)).unwrap_or(u64::MAX),
            full_ms: full_us.div_ceil(1000),
        }
    }
}

/// Takes from a bucket that is full at `full_at`, both times in microseconds; returns when it is full afterwards.
///
/// A new bucket is full at 0. Shape: `full_at` stays when the answer is [`Taken::Empty`].
#[must_use]
pub fn take(full_at: u64, now: u64, rate: Rate, pay: Pay) -> (u64, Taken) {
    let after = full_at.max(now).saturating_add(rate.cost_us(pay));
    let over = (after - now).saturating_sub(rate.capacity_us());
    match pay {
        Pay::Ahead(_) if over > 0 => {
            let retry_ms = over.div_ceil(1000);
            (full_at, Taken::Empty { retry_ms })
        },
        Pay::Ahead(_) | Pay::After(_) => (after, rate.granted(after - now)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    /// `QUOTA/WINDOW_MS: TIME_MS ahead|after COST, …` against what is answered.
    fn check(row: &str, expected: &str) {
        let (rate, events) = row.split_once(": ").unwrap();
        let (quota, window_ms) = rate.split_once('/').unwrap();
        let rate = Rate {
            quota: quota.parse().unwrap(),
            window_ms: window_ms.parse().unwrap(),
        };
        let mut full_at = 0;
        let answers = events.split(", ").map(|event| {
            let words: Vec<&str> = event.split(' ').collect();
            let cost = words[2].parse().unwrap();
            let pay = match words[1] {
                "ahead" => Pay::Ahead(cost),
                _ => Pay::After(cost),
            };
            let now = words[0].parse::<u64>().unwrap() * 1000;
            let taken;
            (full_at, taken) = take(full_at, now, rate, pay);
            match taken {
                Taken::Granted { left, full_ms } => format!("left {left} full {full_ms}"),
                Taken::Empty { retry_ms } => format!("wait {retry_ms}"),
            }
        });
        assert_eq!(answers.collect::<Vec<_>>().join(", "), expected, "{row}");
    }

    #[test]
    fn a_bucket_empties_refills_and_is_never_more_than_full() {
        check(
            "3/300: 1000 ahead 1, 1000 ahead 1, 1000 ahead 1, 1000 ahead 1",
            "left 2 full 100, left 1 full 200, left 0 full 300, wait 100",
        );
        check(
            "3/300: 1000 ahead 3, 1050 ahead 1, 1100 ahead 1, 9000 ahead 3, 9000 ahead 1",
            "left 0 full 300, wait 50, left 0 full 300, left 0 full 300, wait 100",
        );
        // A refusal costs nothing; who asks for more than there ever is gets all there is.
        check(
            "3/300: 0 ahead 2, 0 ahead 2, 0 ahead 1, 900 ahead 50",
            "left 1 full 200, wait 100, left 0 full 300, left 0 full 300",
        );
        // What was done is paid for, however much it was, before anything else is done.
        check(
            "10/1000: 0 ahead 1, 0 after 29, 0 ahead 1, 2099 ahead 1, 2100 ahead 1",
            "left 9 full 100, left 0 full 3000, wait 2100, wait 1, left 0 full 1000",
        );
        // Rates far above a thousand in a millisecond are exact enough, and odd ones never round in favour of the caller.
        check(
            "68719476736/60000: 0 after 25165824, 0 ahead 1048576",
            "left 68694310518 full 22, left 68693261400 full 23",
        );
        check("7/1000: 0 ahead 7, 0 ahead 1", "left 0 full 1000, wait 143");
        check("0/1000: 0 ahead 1", "left 0 full 0");
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate(
            quota in 1_u64..10_000, window_ms in 1_u64..100_000,
            events in vec((0_u64..SECOND, 1_u64..2_000), 1..200),
        ) {
            let rate = Rate { quota, window_ms };
            let (mut full_at, mut now, mut granted) = (0, 5 * SECOND, 0_u128);
            let began = now;
            for (passed, cost) in events {
                now += passed;
                let cost = cost.min(quota);
                let (next, taken) = take(full_at, now, rate, Pay::Ahead(cost));
                full_at = next;
                match taken {
                    Taken::Granted { left, .. } => {
                        granted += u128::from(cost);
                        prop_assert!(left < quota);
                    },
                    Taken::Empty { retry_ms } => {
                        let later = take(full_at, now + retry_ms * 1000, rate, Pay::Ahead(cost)).1;
                        prop_assert!(matches!(later, Taken::Granted { .. }), "the wait was too short");
                    },
                }
                let came_back = u128::from(quota) * u128::from(now - began);
                let window = u128::from(window_ms) * 1000;
                prop_assert!(granted * window <= u128::from(quota) * window + came_back);
            }
        }
    }
}
