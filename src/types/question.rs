//! Questions of an agent to the user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question to the user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// Text of the question.
    pub text: String,
    /// Short label of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Suggested answers; empty for free text.
    pub options: Vec<QuestionOption>,
    /// Whether several answers are allowed.
    pub multiple: bool,
}

impl Question {
    /// All texts of the question and its options.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let options = self.options.iter_mut();
        let options = options.flat_map(|option| [Some(&mut option.name), option.description.as_mut(), option.preview.as_mut()]);
        std::iter::once(&mut self.text).chain(&mut self.header).chain(options.flatten())
    }
}

/// A suggested answer to a question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuestionOption {
    /// Name of the option. Sent as the answer to choose it.
    pub name: String,
    /// Meaning of the option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Text that shows the outcome of the option, such as a mockup or code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

impl From<&str> for QuestionOption {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}
