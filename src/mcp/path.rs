//! Parts of the API's paths, and the URIs of resources.

/// Beginning of the URI of each resource.
pub(super) const RESOURCES: &str = "openrunner://runs/";

/// The URI of a run.
pub(super) fn uri_of_run(run: &str) -> String {
    format!("{RESOURCES}{run}")
}

/// A run's ID as a segment of a path.
///
/// # Errors
/// If it is none. Models make mistakes with IDs, and one that contains `/` would be another route.
pub(super) fn run_segment(id: &str) -> Result<String, String> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_id { Ok(id.to_owned()) } else { Err(format!("`{id}` is not the ID of a run: use the `run_id` of a result")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_no_path_either() {
        assert_eq!(run_segment("run_0198a8f0"), Ok("run_0198a8f0".to_owned()));
        for id in ["", "..", "a/b", "a?b", "a#b", "a%2fb", "é"] {
            assert!(run_segment(id).is_err(), "{id}");
        }
    }
}
