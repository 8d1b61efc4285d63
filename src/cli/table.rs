//! Lists: a table for a person, tabs for a program.

use std::io::Write;

use comfy_table::{ContentArrangement, Row, Table, presets};

use super::{sanitize, terminal};

/// Prints rows under a head: as a table in a terminal, else with tabs between the cells and no head.
///
/// # Errors
/// If they cannot be written.
pub(super) fn print<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> anyhow::Result<()> {
    let width = terminal::is_seen().then(terminal::width);
    let mut out = anstream::stdout().lock();
    for line in laid_out(head, rows, width) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn laid_out<const N: usize>(head: [&str; N], rows: &[[String; N]], width: Option<u16>) -> Vec<String> {
    let rows = rows.iter().map(|row| row.each_ref().map(|cell| sanitize::line(cell)));
    let Some(width) = width else {
        return rows.map(|row| row.join("\t")).collect();
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(head);
    for row in rows {
        let mut row = Row::from(row);
        row.max_height(1);
        table.add_row(row);
    }
    // Spaces at the ends of lines only get in the way of whoever copies them.
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 2]; 2] {
        [["run_1".into(), "fix\nthe\u{1b}[2J bug in the parser of the thing".into()], ["run_22".into(), "hi".into()]]
    }

    #[test]
    fn a_person_gets_a_table_of_the_terminals_width() {
        let table = laid_out(["run", "prompt"], &rows(), Some(30));
        assert!(table.iter().all(|line| line.chars().count() <= 30), "{table:?}");
        assert_eq!(table.len(), 3, "{table:?}");
        assert!(table[2].contains("run_22") && !table.concat().contains('\u{1b}'), "{table:?}");
    }

    #[test]
    fn a_program_gets_tabs_and_whole_cells() {
        assert_eq!(laid_out(["run", "prompt"], &rows(), None), ["run_1\tfix the␛[2J bug in the parser of the thing", "run_22\thi"]);
    }
}
