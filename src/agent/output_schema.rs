//! Asks agents that take no JSON Schema for an answer that matches one, in words.

use std::fmt::Write;

use crate::types::RunSpec;

/// Adds the schema of a run to its prompt, unless the program takes it by itself. The same for the same specification, since a later server
/// does it again.
pub(super) fn in_words(mut spec: RunSpec, is_taken: bool) -> RunSpec {
    if let Some(schema) = spec.output_schema.as_ref().filter(|_| !is_taken) {
        // Writing to a string cannot fail.
        let _ = write!(
            spec.prompt,
            "\n\nEnd with an answer that is a single JSON value without any other text. It must match this JSON Schema:\n{schema}"
        );
    }
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::replay;

    #[test]
    fn the_schema_follows_the_prompt_unless_the_program_takes_it() {
        let mut spec = replay::task("opencode").spec;
        assert_eq!(in_words(spec.clone(), false), spec);
        spec.output_schema = Some(json!({ "type": "object" }));
        assert_eq!(in_words(spec.clone(), true), spec);
        let prompt = in_words(spec, false).prompt;
        assert!(prompt.starts_with("Create hello.py\n\n") && prompt.ends_with(":\n{\"type\":\"object\"}"), "{prompt}");
    }
}
