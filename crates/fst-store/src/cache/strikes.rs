//! How long who failed has to wait: decided from the failures before, the time and a rule alone.
//!
//! Used by every backend of [`super::Cache`]; Redis runs the same sums in a script, and the conformance suite holds both
//! to the same rows. Invariant: a wait never exceeds the cap of its rule, and a quiet time ends everything.
//! Not here: what a failure is, who is waited for. Source: docs/adr/0048-rate-limits.md.

use fst_proto::time::UnixMillis;

/// What failures cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// Failures that cost nothing.
    pub free: u32,
    /// Wait after the first that does, milliseconds; each further one doubles it.
    pub first_ms: u64,
    /// Longest wait, milliseconds.
    pub cap_ms: u64,
    /// Time without a failure after a wait, after which all are forgotten, milliseconds.
    pub forget_ms: u64,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strikes {
    /// How many.
    pub n: u32,
    /// When the wait after the last one ends.
    pub until: UnixMillis,
}

impl Strikes {
    /// What is left of these failures now.
    #[must_use]
    pub fn now(self, rule: BackOff, now: UnixMillis) -> Self {
        if now.0 >= self.until.0.saturating_add(rule.forget_ms) {
            return Self::default();
        }
        self
    }

    /// One more failure.
    #[must_use]
    pub fn and_one(self, rule: BackOff, now: UnixMillis) -> Self {
        let n = self.now(rule, now).n.saturating_add(1);
        let wait = n
            .checked_sub(rule.free.saturating_add(1))
            .map_or(0, |over| {
                let factor = 1_u64.checked_shl(over).unwrap_or(u64::MAX);
                rule.first_ms.saturating_mul(factor).min(rule.cap_ms)
            });
        Self {
            n,
            until: UnixMillis(now.0.saturating_add(wait)),
        }
    }

    /// Milliseconds still to wait.
    #[must_use]
    pub fn wait_ms(self, now: UnixMillis) -> u64 {
        self.until.0.saturating_sub(now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_cost_more_and_more_up_to_the_cap_and_are_forgotten() {
        let rule = BackOff {
            free: 2,
            first_ms: 100,
            cap_ms: 1000,
            forget_ms: 5000,
        };
        let mut state = Strikes::default();
        for (at, n, wait) in [
            (0, 1, 0),
            (0, 2, 0),
            (0, 3, 100),
            (50, 4, 200),
            (300, 5, 400),
            (800, 6, 800),
            (1700, 7, 1000),
            (2800, 8, 1000),
            // A quiet time that is too short, and one that is not.
            (8799, 9, 1000),
            (14_799, 1, 0),
        ] {
            let now = UnixMillis(at);
            state = state.and_one(rule, now);
            assert_eq!((state.n, state.wait_ms(now)), (n, wait), "at {at}");
        }
        let worn = Strikes {
            n: u32::MAX,
            ..state
        };
        assert_eq!(
            worn.and_one(rule, UnixMillis(14_799))
                .wait_ms(UnixMillis(14_799)),
            1000
        );
    }
}
