//! Columns of text.

/// Which side of its column a cell stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading, columns two spaces apart, indented by two.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(columns: &[(&str, Side)]) -> Self {
        let heading = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![heading],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Replaces the cells of a column below its heading.
    pub(crate) fn change(&mut self, column: usize, change: impl Fn(&str) -> String) {
        for row in self.rows.iter_mut().skip(1) {
            row[column] = change(&row[column]);
        }
    }

    /// Columns of the terminal that all of it takes.
    pub(crate) fn total_width(&self) -> usize {
        (0..self.sides.len()).map(|at| 2 + self.width(at)).sum()
    }

    /// The table as lines, without trailing spaces.
    pub(crate) fn draw(&self) -> String {
        let widths: Vec<usize> = (0..self.sides.len()).map(|at| self.width(at)).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(&self.sides).zip(&widths) {
                let gap = " ".repeat(width - super::width(cell));
                let cell = match side {
                    Side::Left => format!("  {cell}{gap}"),
                    Side::Right => format!("  {gap}{cell}"),
                };
                line.push_str(&cell);
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// Columns of the terminal that the widest cell takes.
    pub(crate) fn width(&self, column: usize) -> usize {
        self.rows
            .iter()
            .map(|row| super::width(&row[column]))
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&[
            ("Folder", Side::Left),
            ("Files", Side::Right),
            ("State", Side::Left),
        ]);
        table.row(vec![
            "~/Documents".into(),
            "12 408".into(),
            "up to date".into(),
        ]);
        table.row(vec!["~/é".into(), "7".into(), "paused".into()]);
        table.row(vec!["~/e\u{301}日本".into(), "8".into(), "paused".into()]);
        assert_eq!(
            table.draw(),
            "  Folder        Files  State\n  ~/Documents  12 408  up to date\n  ~/é               7  paused\n  \
             ~/e\u{301}日本           8  paused\n"
        );
    }
}
