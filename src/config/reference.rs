//! Texts that are generated from the declarations: the template of a settings file and the tables in `docs/settings.md`.

use std::fmt::Write as _;

use super::{Declaration, DefaultValue, Format, Settings};

/// Width of the template's comments.
const WIDTH: usize = 100;

/// A settings file with every setting commented out, its documentation and its default.
pub fn template() -> String {
    let mut text = String::from(
        "# Settings of OpenRunner. Uncomment a line to change a setting. Environment variables take precedence over this file, and\n\
         # command line flags over both. An unknown key stops the start.\n",
    );
    for section in sections() {
        let _ = writeln!(text, "\n# ---- {section} ----");
        for declared in in_section(section) {
            text.push('\n');
            text.push_str(&comment(&plain(declared.help)));
            let unit = if declared.unit.is_empty() { String::new() } else { format!("Unit: {}. ", declared.unit) };
            let variable = declared.variable.map_or("only in this file".to_owned(), |variable| format!("variable {variable}"));
            text.push_str(&comment(&format!("{unit}Default: {} ({variable}).", default_text(declared).replace('`', ""))));
            text.push_str(&assignment(declared));
        }
    }
    text
}

/// The Markdown table of one section.
#[cfg(test)]
fn table(section: &str) -> String {
    let has_units = in_section(section).any(|declared| !declared.unit.is_empty());
    let mut text = String::from(if has_units {
        "| variable | default | unit | meaning |\n| --- | --- | --- | --- |\n"
    } else {
        "| variable | default | meaning |\n| --- | --- | --- |\n"
    });
    for declared in in_section(section) {
        let name = match declared.variable {
            Some(variable) => format!("`{variable}`"),
            None => format!("`{}`, only in the file", declared.name),
        };
        let unit = if has_units { format!(" {} |", declared.unit) } else { String::new() };
        let _ = writeln!(text, "| {name} | {} |{unit}{} |", default_text(declared), help(declared));
    }
    text
}

/// The help text with the syntax of list variables, which is the same for all of them.
#[cfg(test)]
fn help(declared: &Declaration) -> String {
    let syntax = match (declared.format, declared.variable) {
        (Format::CommaList, Some(_)) => " A list separated by commas.",
        (Format::PathList, Some(_)) => " A list separated by colons.",
        _ => "",
    };
    format!("{}{syntax}", declared.help)
}

fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = Settings::DECLARATIONS.iter().map(|declared| declared.section).collect();
    sections.dedup();
    sections
}

fn in_section(section: &str) -> impl Iterator<Item = &'static Declaration> {
    Settings::DECLARATIONS.iter().filter(move |declared| declared.section == section)
}

fn default_text(declared: &Declaration) -> String {
    match declared.default {
        DefaultValue::Literal("") => "none".to_owned(),
        DefaultValue::Literal(value) => format!("`{value}`"),
        DefaultValue::Unset(meaning) | DefaultValue::Computed(meaning) => meaning.to_owned(),
    }
}

/// The commented-out line that sets the default, or shows the type where there is no default.
fn assignment(declared: &Declaration) -> String {
    let name = declared.name;
    match (declared.default, declared.format) {
        (DefaultValue::Literal(""), Format::Table | Format::ArrayOfTables) => String::new(),
        (DefaultValue::Literal(value), Format::Number) => format!("#{name} = {value}\n"),
        (DefaultValue::Literal(value), Format::Text) => format!("#{name} = \"{value}\"\n"),
        (DefaultValue::Literal(value), _) => {
            let items = value.split(',').filter(|item| !item.is_empty());
            let items: Vec<_> =
                items.map(|item| if item.parse::<u64>().is_ok() { item.to_owned() } else { format!("\"{item}\"") }).collect();
            format!("#{name} = [{}]\n", items.join(", "))
        }
        (DefaultValue::Unset(_) | DefaultValue::Computed(_), Format::Number) => format!("#{name} =\n"),
        (DefaultValue::Unset(_) | DefaultValue::Computed(_), _) => format!("#{name} = \"\"\n"),
    }
}

/// Markdown without links and code marks.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((label, (_target, after))) = link.split_once("](").and_then(|(label, target)| Some((label, target.split_once(')')?)))
        else {
            break;
        };
        text.push_str(before);
        text.push_str(label);
        rest = after;
    }
    text.push_str(rest);
    text.replace('`', "").trim().to_owned()
}

fn comment(text: &str) -> String {
    let mut comment = String::from("#");
    let mut width = 1;
    for word in text.split_whitespace() {
        if width + 1 + word.len() > WIDTH {
            comment.push_str("\n#");
            width = 1;
        }
        comment.push(' ');
        comment.push_str(word);
        width += 1 + word.len();
    }
    comment.push('\n');
    comment
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::{Flags, load};

    /// The reference with the tables as the declarations give them; `None` if a section has no place in it.
    fn with_tables(page: &str) -> Option<String> {
        let mut page = page.to_owned();
        for section in sections() {
            let begin = format!("<!-- settings: {section} -->\n");
            let start = page.find(&begin)? + begin.len();
            let end = start + page[start..].find("<!-- end -->")?;
            page.replace_range(start..end, &table(section));
        }
        Some(page)
    }

    #[test]
    fn the_reference_has_the_declared_settings() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let expected = with_tables(&page).expect("docs/settings.md has a marked table for each section");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        } else {
            assert!(page == expected, "docs/settings.md is outdated; run `UPDATE_DOCS=1 cargo test --lib config`");
        }
    }

    #[test]
    fn names_and_variables_are_unique_and_correspond() {
        let mut names = BTreeSet::new();
        for declared in Settings::DECLARATIONS {
            assert!(names.insert(declared.name), "{}", declared.name);
            if let Some(variable) = declared.variable {
                assert_eq!(variable, format!("OPENRUNNER_{}", declared.name.to_uppercase()));
            }
            assert!(declared.help.starts_with(' ') && declared.help.ends_with('.'), "{}", declared.name);
        }
    }

    #[test]
    fn the_template_sets_nothing_and_its_lines_set_the_defaults() {
        let template = template();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("openrunner.toml");
        let home = |name: &str| (name == "HOME").then(|| "/h".into());
        let flags = || Flags { config: Some(file.clone()), ..Flags::default() };
        let defaults = load(Flags::default(), &home).unwrap().values();

        std::fs::write(&file, &template).unwrap();
        assert_eq!(load(flags(), &home).unwrap().values(), defaults);

        let lines =
            template.lines().filter_map(|line| line.strip_prefix('#').filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())));
        let literal = |line: &&str| {
            let declared = Settings::DECLARATIONS.iter().find(|declared| line.starts_with(&format!("{} =", declared.name))).unwrap();
            matches!(declared.default, DefaultValue::Literal(_))
        };
        let uncommented: Vec<_> = lines.filter(literal).collect();
        assert!(uncommented.len() > 20);
        std::fs::write(&file, uncommented.join("\n")).unwrap();
        assert_eq!(load(flags(), &home).unwrap().values(), defaults);
    }

    #[test]
    fn links_and_code_marks_are_removed_from_comments() {
        assert_eq!(plain(" See [the `page`](x.md#y), or `this`."), "See the page, or this.");
    }
}
