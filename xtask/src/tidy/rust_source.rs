//! Just enough Rust to count lines: code without comments and texts, functions, the test tail.
//!
//! Invariant: [`code_only`] keeps every line break, so a line number in its result is one in the source.
//! Not here: syntax trees; macros that build functions are not seen.

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Line of the `fn`, from 1.
    pub(crate) line: usize,
    /// Lines between its braces that hold code.
    pub(crate) code_lines: usize,
}

/// How a piece of source shows in [`code_only`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Keep,
    /// Spaces: comments count for nothing.
    Blank,
    /// Underscores: texts count as code, their words do not.
    Mask,
}

/// The source with comments blanked and the insides of texts masked.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let before = at.checked_sub(1).map(|i| chars[i]);
        let (len, show) = piece(&chars[at..], before);
        for &c in &chars[at..at + len] {
            out.push(match show {
                Show::Keep => c,
                Show::Blank | Show::Mask if c == '\n' => c,
                Show::Blank => ' ',
                Show::Mask => '_',
            });
        }
        at += len;
    }
    out
}

/// Length of the piece that `rest` begins with.
fn piece(rest: &[char], before: Option<char>) -> (usize, Show) {
    match rest {
        ['/', '/', ..] => (
            rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            Show::Blank,
        ),
        ['/', '*', ..] => (block_comment_len(rest), Show::Blank),
        ['"', ..] => (text_len(rest), Show::Mask),
        ['r' | 'b' | 'c', ..] if !before.is_some_and(is_word) => match raw_text_len(rest) {
            Some(len) => (len, Show::Mask),
            None => (1, Show::Keep),
        },
        ['\'', '\\', ..] => (escaped_char_len(rest), Show::Mask),
        ['\'', _, '\'', ..] => (3, Show::Mask),
        _ => (1, Show::Keep),
    }
}

fn block_comment_len(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn text_len(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of `r"…"`, `r#"…"#`, `br"…"` or `cr"…"`; `None` when it is something else.
fn raw_text_len(rest: &[char]) -> Option<usize> {
    let r = rest.iter().take(2).position(|&c| c == 'r')?;
    let hashes = rest[r + 1..].iter().take_while(|&&c| c == '#').count();
    let open = r + 1 + hashes;
    if rest.get(open) != Some(&'"') {
        return None;
    }
    let is_end = |at: &usize| {
        rest[*at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes
    };
    let close = (open + 1..rest.len()).find(is_end);
    Some(close.map_or(rest.len(), |close| close + 1 + hashes))
}

fn escaped_char_len(rest: &[char]) -> usize {
    // The escaped character may itself be a quote.
    rest.iter()
        .skip(3)
        .position(|&c| c == '\'')
        .map_or(rest.len(), |at| at + 4)
}

/// Functions with bodies in the result of [`code_only`], nested ones included.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word_start = !code[..at].chars().next_back().is_some_and(is_word);
        let rest = code[at + 3..].trim_start();
        let name: String = rest.chars().take_while(|&c| is_word(c)).collect();
        if !is_word_start || name.is_empty() {
            continue;
        }
        if let Some(body) = body(&code[at..]) {
            let line = super::line_of(code, at);
            found.push(Function {
                name,
                line,
                code_lines: code_lines(body),
            });
        }
    }
    found
}

/// What stands between the braces of the item that `code` begins with.
fn body(code: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut open = None;
    for (at, c) in code.char_indices() {
        match (c, open) {
            ('(' | '[', None) => depth += 1,
            (')' | ']', None) => depth = depth.saturating_sub(1),
            (';', None) if depth == 0 => return None,
            ('{', None) if depth == 0 => (open, depth) = (Some(at + 1), 1),
            ('{', Some(_)) => depth += 1,
            ('}', Some(start)) => {
                depth -= 1;
                if depth == 0 {
                    return Some(&code[start..at]);
                }
            },
            _ => {},
        }
    }
    None
}

fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Number of lines before the test module that ends a file, or all of them.
pub(crate) fn lines_without_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let is_tail = |at: &usize| {
        let next = lines[at + 1..]
            .iter()
            .find(|line| !line.is_empty() && !line.starts_with("#["));
        lines[*at] == "#[cfg(test)]" && next.is_some_and(|line| line.starts_with("mod "))
    };
    (0..lines.len()).find(is_tail).unwrap_or(lines.len())
}

/// True when `word` stands in `line` as a word of its own.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Words of the source that satisfy `is_wanted`, with their lines.
pub(crate) fn words(code: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let words = line.split(|c| !is_word(c)).filter(|word| is_wanted(word));
        found.extend(words.map(|word| (index + 1, word.to_owned())));
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blanked_and_texts_masked() {
        let source = "let a = \"// fn\"; // fn b() {\n/* { /* */ } */ let c = '{';";
        assert_eq!(
            code_only(source),
            "let a = _______;            \n                let c = ___;"
        );
    }

    #[test]
    fn raw_texts_lifetimes_and_escapes_are_told_apart() {
        assert_eq!(code_only(r##"r#"a " b"# x"##), "__________ x");
        assert_eq!(code_only("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
        assert_eq!(code_only(r"'\'' '\u{7f}' b'\\' x"), "____ ________ b____ x");
        assert_eq!(code_only("r#fn(\"a\")"), "r#fn(___)");
        assert_eq!(code_only("br\"{\" bar(\"}\")"), "_____ bar(___)");
    }

    #[test]
    fn line_breaks_survive_in_comments_and_texts() {
        let source = "/*\n*/\"a\nb\"\nfn x() {}\n";
        assert_eq!(code_only(source).matches('\n').count(), 4);
    }

    #[test]
    fn functions_are_measured_in_code_lines() {
        let source =
            "fn a() {\n    // one\n\n    let s = \"}\";\n    s;\n}\nfn b();\nfn c() { d() }\n";
        let found = functions(&code_only(source));
        let seen: Vec<(&str, usize, usize)> = found
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.code_lines))
            .collect();
        assert_eq!(seen, [("a", 1, 2), ("c", 8, 1)]);
    }

    #[test]
    fn arrays_in_signatures_do_not_end_them() {
        let found = functions("fn a(x: [u8; 2]) -> [u8; 3] {\n x\n}");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code_lines, 1);
    }

    #[test]
    fn the_test_tail_is_left_out() {
        assert_eq!(
            lines_without_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"),
            2
        );
        assert_eq!(lines_without_tests("a\n#[cfg(test)]\nuse b;\nc\n"), 4);
    }

    #[test]
    fn words_stand_alone() {
        assert!(has_word("a todo b", "todo"));
        assert!(!has_word("todos", "todo"));
    }
}
