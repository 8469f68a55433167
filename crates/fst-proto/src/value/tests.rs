use super::*;

fn size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.0)
        .map_err(|error| error.to_string())
}

fn rate(text: &str) -> Result<u64, String> {
    text.parse::<BitRate>()
        .map(|rate| rate.0)
        .map_err(|error| error.to_string())
}

fn days(text: &str) -> Result<String, String> {
    text.parse::<Weekdays>()
        .map(|days| days.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn sizes_are_powers_of_1024() {
    for (text, bytes) in [
        ("4mb", 4_194_304),
        ("5gb", 5_368_709_120),
        ("4 MiB", 4_194_304),
        ("1.5k", 1536),
        ("1t", 1_099_511_627_776),
        ("512", 512),
        ("7B", 7),
    ] {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "mb",
        "4mbps",
        "-4mb",
        "4.mb",
        ".5mb",
        "1.2.3mb",
        "99999999999tb",
        "4 mega",
    ] {
        assert!(size(text).is_err(), "{text}");
    }
}

#[test]
fn rates_are_bits_in_powers_of_1000_and_bytes_where_they_say_so() {
    for (text, bits) in [
        ("5mbps", 5_000_000),
        ("5Mbps", 5_000_000),
        ("0.5gbps", 500_000_000),
        ("10MB/s", 80_000_000),
        ("1mib/s", 8_388_608),
        ("64 kbps", 64_000),
    ] {
        assert_eq!(rate(text), Ok(bits), "{text}");
    }
    let ambiguous = rate("10MBps").unwrap_err();
    assert!(
        ambiguous.contains("10mbps for bits or 10MB/s for bytes"),
        "{ambiguous}"
    );
    for text in ["5", "5mb", "50%", "fast", "5 mbit"] {
        assert!(rate(text).is_err(), "{text}");
    }
}

#[test]
fn no_limit_has_two_spellings() {
    assert_eq!(parse_limit::<BitRate>("unlimited"), Ok(None));
    assert_eq!(parse_limit::<BitRate>("0"), Ok(None));
    assert_eq!(parse_limit::<ByteSize>("0gb"), Ok(None));
    assert_eq!(parse_limit::<ByteSize>("1kb"), Ok(Some(ByteSize(1024))));
    assert!(parse_limit::<BitRate>("0furlongs").is_err());
    assert!(parse_limit::<BitRate>("none").is_err());
}

#[test]
fn durations_need_a_unit() {
    let ms = |text: &str| parse_duration(text).map(|span| span.as_millis());
    assert_eq!(ms("1h30m"), Ok(5_400_000));
    assert_eq!(ms("500ms"), Ok(500));
    assert_eq!(ms("2d"), Ok(172_800_000));
    assert_eq!(ms("1w 1s"), Ok(604_801_000));
    for text in ["", "5", "h", "1h30", "3 weeks", "1y"] {
        assert!(ms(text).is_err(), "{text}");
    }
}

#[test]
fn windows_may_pass_midnight() {
    let window = |text: &str| text.parse::<TimeWindow>().map(|w| (w.from, w.to));
    assert_eq!(window("09:00-17:00"), Ok((540, 1020)));
    assert_eq!(window("22:00-06:00"), Ok((1320, 360)));
    assert_eq!(window("18:00-24:00"), Ok((1080, 1440)));
    assert_eq!(window("18:00-00:00"), Ok((1080, 1440)));
    for text in [
        "9-17",
        "09:00",
        "09:00-09:00",
        "24:00-06:00",
        "09:60-10:00",
        "9:00-17:00",
        "25:00-26:00",
    ] {
        assert!(window(text).is_err(), "{text}");
    }
}

#[test]
fn days_are_lists_and_ranges() {
    for (text, shown) in [
        ("mon-fri", "mon-fri"),
        ("weekdays", "mon-fri"),
        ("weekend", "sat,sun"),
        ("sat-mon", "mon,sat,sun"),
        ("Monday, wed", "mon,wed"),
        ("all", "all"),
        ("mon-sun", "all"),
        ("sun", "sun"),
    ] {
        assert_eq!(days(text), Ok(shown.to_owned()), "{text}");
    }
    for text in ["", "mon-", "moon", "mon fri", "1-5"] {
        assert!(days(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_printed_is_read_back() {
    for bits in 1..128 {
        let days = Weekdays(bits);
        assert_eq!(days.to_string().parse(), Ok(days));
    }
    for n in [1, 999, 1000, 1024, 1536, 4 << 20, 5 << 30, u64::MAX] {
        assert_eq!(ByteSize(n).to_string().parse(), Ok(ByteSize(n)));
        assert_eq!(BitRate(n).to_string().parse(), Ok(BitRate(n)));
    }
    let window = TimeWindow {
        from: 545,
        to: 1440,
    };
    assert_eq!(window.to_string().parse(), Ok(window));
}
