//! Lists: a table in a terminal, tab-separated lines in a pipe.

use std::io::Write;

use comfy_table::{ContentArrangement, Row, Table, presets};

use super::output::Output;
use super::{sanitize, terminal};

/// Prints rows under a header: as a table in a terminal, tab-separated and without a header in a pipe. With `--quiet`, only the first
/// column is printed.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print<const N: usize>(output: Output, header: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    if output.quiet {
        for row in rows {
            writeln!(out, "{}", row.first().map(|cell| sanitize::line(cell)).unwrap_or_default())?;
        }
        return Ok(());
    }
    let width = terminal::is_stdout().then(terminal::width);
    for line in layout(header, rows, width) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn layout<const N: usize>(header: [&str; N], rows: &[[String; N]], width: Option<u16>) -> Vec<String> {
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| sanitize::line(cell)));
    let Some(width) = width else {
        return rows.map(|row| row.join("\t")).collect();
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(header);
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    // Trailing spaces get in the way when copying.
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 2]; 2] {
        [["run_1".into(), "fix\nthe\u{1b}[2J bug in the parser of the thing".into()], ["run_22".into(), "hi".into()]]
    }

    #[test]
    fn in_a_terminal_the_table_fits_its_width() {
        let table = layout(["run", "prompt"], &rows(), Some(30));
        assert!(table.iter().all(|line| line.chars().count() <= 30), "{table:?}");
        assert_eq!(table.len(), 3, "{table:?}");
        assert!(table[2].contains("run_22") && !table.concat().contains('\u{1b}'), "{table:?}");
    }

    #[test]
    fn in_a_pipe_cells_are_complete_and_separated_by_tabs() {
        assert_eq!(layout(["run", "prompt"], &rows(), None), ["run_1\tfix the␛[2J bug in the parser of the thing", "run_22\thi"]);
    }
}
