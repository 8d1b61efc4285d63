//! Environment variables that look like settings but are not.

use std::ffi::OsString;

use super::Settings;

/// Variables with our prefix that are read elsewhere: by the command line and by the install script.
pub const OTHER_VARIABLES: &[&str] = &["OPENRUNNER_CONFIG", "OPENRUNNER_URL", "OPENRUNNER_TOKEN", "OPENRUNNER_RELEASES"];

/// Prefix of the variables that only the test suite reads.
const TEST_PREFIX: &str = "OPENRUNNER_TEST_";

/// A variable that is set and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The real variable that it resembles most, if there is one.
    pub nearest: Option<&'static str>,
}

/// Those of `names` that start with `OPENRUNNER_` and are not read by this program.
pub fn unknown_variables(names: impl IntoIterator<Item = OsString>) -> Vec<UnknownVariable> {
    let known = || Settings::DECLARATIONS.iter().filter_map(|declared| declared.variable).chain(OTHER_VARIABLES.iter().copied());
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let unknown =
        names.filter(|name| name.starts_with("OPENRUNNER_") && !name.starts_with(TEST_PREFIX) && !known().any(|real| real == name));
    let mut unknown: Vec<_> = unknown.map(|name| UnknownVariable { nearest: nearest(&name, known()), name }).collect();
    unknown.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    unknown
}

/// The candidate that resembles `name` most, unless none of them does.
pub(super) fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// Share of the characters that must agree.
    const SIMILAR: f64 = 0.6;
    let distinctive = |name: &str| name.trim_start_matches("OPENRUNNER_").to_ascii_lowercase();
    let score = |candidate: &str| strsim::normalized_damerau_levenshtein(&distinctive(name), &distinctive(candidate));
    let scored = candidates.map(|candidate| (score(candidate), candidate)).filter(|(score, _)| *score >= SIMILAR);
    scored.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(names: &[&str]) -> Vec<(String, Option<&'static str>)> {
        unknown_variables(names.iter().map(OsString::from)).into_iter().map(|unknown| (unknown.name, unknown.nearest)).collect()
    }

    #[test]
    fn a_misspelled_variable_is_reported_with_the_nearest_name() {
        let names = ["OPENRUNNER_MAX_RUN", "OPENRUNNER_COLOUR", "HOME", "OPENRUNNER_ADDR", "OPENRUNNER_TRUSTED_PROXY"];
        assert_eq!(
            unknown(&names),
            [
                ("OPENRUNNER_COLOUR".to_owned(), None),
                ("OPENRUNNER_MAX_RUN".to_owned(), Some("OPENRUNNER_MAX_RUNS")),
                ("OPENRUNNER_TRUSTED_PROXY".to_owned(), Some("OPENRUNNER_TRUSTED_PROXIES")),
            ]
        );
    }

    #[test]
    fn variables_of_the_command_line_and_of_the_tests_are_known() {
        assert_eq!(unknown(&["OPENRUNNER_URL", "OPENRUNNER_TOKEN", "OPENRUNNER_CONFIG", "OPENRUNNER_TEST_AGENTS"]), []);
    }
}
