//! A YAML text as a tree of plain texts with their places.
//!
//! Made from the events of the parser that `serde-saphyr` uses too. Invariant: bounded in size and depth; a key stands
//! once in its map; aliases, which could blow a text up, are refused. Not here: what keys mean ([`super::check`]).

use fst_proto::error::ErrorCode;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use super::report::Finding;

/// Largest configuration file, bytes: a thousand folders with a hundred rules each stay below.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting; our keys need five levels.
const DEPTH_MAX: usize = 32;

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters on that line.
    pub len: usize,
}

/// A node with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Nothing: an empty value, `~` or `null`.
    Nothing,
    /// A text, quoted or not.
    Text(String),
    /// Keys in their order, each once.
    Map(Vec<(Key, Node)>),
    /// Items in their order.
    List(Vec<Node>),
}

/// A key of a map with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) place: Place,
}

impl Node {
    /// The value of a key of this map.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Map(entries) => entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(_, node)| node),
            Shape::Nothing | Shape::Text(_) | Shape::List(_) => None,
        }
    }

    /// The same without places; `null` for nothing, so that an empty section is none.
    pub(super) fn plain(&self) -> Value {
        match &self.shape {
            Shape::Nothing => Value::Null,
            Shape::Text(text) => Value::String(text.clone()),
            Shape::List(items) => items.iter().map(Self::plain).collect(),
            Shape::Map(entries) => {
                let plain = |(key, node): &(Key, Self)| (key.name.clone(), node.plain());
                Value::Object(entries.iter().map(plain).collect())
            },
        }
    }
}

/// Reads a text; an empty one is nothing.
pub(super) fn parse(text: &str) -> Result<Node, Finding> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
        return Err(Finding::error(ErrorCode::BadSyntax, message, FIRST));
    }
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    let mut root = None;
    loop {
        match reader.next()? {
            None | Some((Event::StreamEnd, _)) => return Ok(root.unwrap_or(NOTHING)),
            Some((Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _)) => {},
            Some((_, span)) if root.is_some() => {
                return Err(refused("a second document", span));
            },
            Some((event, span)) => root = Some(reader.node(event, span, 0)?),
        }
    }
}

const FIRST: Place = Place {
    line: 1,
    column: 1,
    len: 1,
};

const NOTHING: Node = Node {
    place: FIRST,
    shape: Shape::Nothing,
};

struct Reader<'t> {
    parser: Parser<'t, granit_parser::StrInput<'t>>,
}

impl<'t> Reader<'t> {
    /// The next event that is no comment.
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Finding> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..), _))) => {},
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
    }

    fn must_next(&mut self) -> Result<(Event<'t>, Span), Finding> {
        let ended = || Finding::error(ErrorCode::BadSyntax, "the file ends too early", FIRST);
        self.next()?.ok_or_else(ended)
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Finding> {
        if depth > DEPTH_MAX {
            return Err(refused("nested too deeply", span));
        }
        let place = place(span);
        let shape = match event {
            Event::Scalar(text, ScalarStyle::Plain, _, _)
                if matches!(text.as_ref(), "" | "~" | "null") =>
            {
                Shape::Nothing
            },
            Event::Scalar(text, ..) => Shape::Text(text.into_owned()),
            Event::SequenceStart(..) => Shape::List(self.items(depth)?),
            Event::MappingStart(..) => Shape::Map(self.entries(depth)?),
            Event::Alias(_) => return Err(refused("a reference to another value", span)),
            _ => return Err(refused("something that is no value", span)),
        };
        Ok(Node { place, shape })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Finding> {
        let mut items = Vec::new();
        loop {
            match self.must_next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Finding> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let key = match self.must_next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(name, ..), span) => Key {
                    name: name.into_owned(),
                    place: place(span),
                },
                (_, span) => return Err(refused("a key that is no word", span)),
            };
            if let Some((known, _)) = entries.iter().find(|(known, _)| known.name == key.name) {
                let message = format!("{:?} stands in line {} already", key.name, known.place.line);
                return Err(Finding::error(ErrorCode::BadSyntax, message, key.place));
            }
            let (event, span) = self.must_next()?;
            entries.push((key, self.node(event, span, depth + 1)?));
        }
    }
}

fn place(span: Span) -> Place {
    let is_one_line = span.start.line() == span.end.line();
    let len = if is_one_line {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Place {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        len: len.max(1),
    }
}

fn refused(what: &str, span: Span) -> Finding {
    Finding::error(
        ErrorCode::BadSyntax,
        format!("{what} has no place here"),
        place(span),
    )
}

fn broken(error: &ScanError) -> Finding {
    let place = Place {
        line: error.marker().line().max(1),
        column: error.marker().col() + 1,
        len: 1,
    };
    Finding::error(ErrorCode::BadSyntax, error.info(), place)
}
