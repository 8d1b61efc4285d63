//! Permission rules: no list of rules causes a panic or exceeds the bounds on patterns.
//!
//! Each line is a rule. A line that is valid JSON of a rule is that rule. Of other lines, the first byte selects the field, and the rest is
//! its pattern.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openrunner::run::Rule;
use openrunner::types::{RuleSpec, RuleVerdict};

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024;
/// Maximum length of all patterns, in bytes.
const MAX_TOTAL_BYTES: usize = 64 * 1024;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let specs: Vec<RuleSpec> = text.split('\n').map(|line| serde_json::from_str(line).unwrap_or_else(|_| rule(line))).collect();
    let patterns = || specs.iter().flat_map(|spec| [&spec.tool, &spec.path, &spec.command]).flatten().map(String::len);
    match Rule::compile(&specs) {
        Ok(rules) => {
            assert_eq!(rules.len(), specs.len());
            assert!(patterns().all(|length| length <= MAX_PATTERN_BYTES) && patterns().sum::<usize>() <= MAX_TOTAL_BYTES);
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
});

fn rule(line: &str) -> RuleSpec {
    let mut rule = RuleSpec { tool: None, kind: None, path: None, command: None, decision: RuleVerdict::Deny };
    let mut chars = line.chars();
    let field = match chars.next() {
        Some('t') => &mut rule.tool,
        Some('c') => &mut rule.command,
        _ => &mut rule.path,
    };
    *field = Some(chars.as_str().to_owned());
    rule
}
