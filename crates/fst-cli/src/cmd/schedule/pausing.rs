//! Which rules pause syncing at a minute of the week, and until when.
//!
//! Invariant: a function of the rules and the minute, by the clock on the wall.

use fst_client::config::Schedule;

use crate::render::status::Pausing;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Short names of the days, from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The rules that pause at this minute. `day`: 0 is Monday.
pub(super) fn at(rules: &[Schedule], day: u8, minute: u16) -> Option<Pausing> {
    let pauses = |day: u8, minute: u16| {
        rules
            .iter()
            .find(move |rule| rule.pause && rule.covers(day, minute))
    };
    let rule = pauses(day, minute)?.name.clone();
    let following = (0..7).flat_map(|days| (0..DAY).map(move |at| (days, at)));
    let mut ahead = following.map(|(days, at)| {
        let carry = u8::from(minute + at >= DAY);
        (days + carry, (minute + at) % DAY)
    });
    let end = ahead.find(|(days, at)| pauses((day + days) % 7, *at).is_none());
    let until = end.map(|(days, at)| {
        let time = format!("{:02}:{:02}", at / 60, at % 60);
        match days {
            0 => time,
            _ => format!("{} {time}", DAYS[usize::from((day + days) % 7)]),
        }
    });
    Some(Pausing { rule, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, time: &str, days: &str) -> Schedule {
        Schedule {
            name: name.to_owned(),
            window: time.parse().expect("hours"),
            days: days.parse().expect("days"),
            max_upload: None,
            max_download: None,
            pause: true,
        }
    }

    fn said(rules: &[Schedule], day: u8, minute: u16) -> Option<(String, Option<String>)> {
        at(rules, day, minute).map(|pausing| (pausing.rule, pausing.until))
    }

    #[test]
    fn the_end_is_where_no_rule_pauses_any_more() {
        let work = rule("work", "09:00-17:00", "mon-fri");
        let late = rule("late", "16:00-18:30", "mon");
        let night = rule("night", "22:00-06:00", "sun");
        let always = rule("always", "00:00-24:00", "mon-sun");
        let limit = Schedule {
            pause: false,
            ..always.clone()
        };
        let some = |rule: &str, until: &str| Some((rule.to_owned(), Some(until.to_owned())));
        let rules = [limit, work, late, night];
        assert_eq!(said(&rules, 1, 10 * 60), some("work", "17:00"));
        assert_eq!(said(&rules, 0, 10 * 60), some("work", "18:30"));
        assert_eq!(said(&rules, 6, 23 * 60), some("night", "Mon 06:00"));
        assert_eq!(said(&rules, 0, 30), some("night", "06:00"));
        assert_eq!(said(&rules, 5, 10 * 60), None);
        assert_eq!(said(&[always], 5, 600), Some(("always".to_owned(), None)));
    }
}
