//! Forms of MCP servers (`elicitation/create`) as questions to the user.
//!
//! A form has a message and a flat JSON schema. Each of its fields becomes one question, and the answers become the content of the response
//! in the types of the fields.

use serde_json::{Map, Value, json};

use crate::types::{Question, QuestionOption};

/// Maximum number of questions of one form.
const MAX_QUESTIONS: usize = 64;

/// A form that was shown as questions.
#[derive(Debug)]
pub(in crate::agent) struct Form {
    fields: Vec<Field>,
}

impl Form {
    /// The form with this message and schema, and its questions. A form without fields asks whether it is accepted. `None` if the schema has
    /// fields that cannot be asked for.
    pub(in crate::agent) fn new(message: &str, schema: &Value) -> Option<(Self, Vec<Question>)> {
        let (fields, questions) = fields(message, schema)?;
        Some((Self { fields }, questions))
    }

    /// A request that is only accepted or declined, such as to open an address.
    pub(in crate::agent) fn confirmation(text: String) -> (Self, Vec<Question>) {
        (Self { fields: vec![Field::confirmation()] }, vec![question(text, yes_or_no(), false)])
    }

    /// The form of the parameters of an elicitation, of which agents name the schema differently. `None` if it cannot be asked for.
    pub(in crate::agent) fn from_params(params: &Map<String, Value>) -> Option<(Self, Vec<Question>)> {
        let text = |name: &str| params.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let message = text("message")?;
        match (text("mode").unwrap_or("form"), text("url")) {
            ("form", _) => Self::new(
                message,
                ["requestedSchema", "requested_schema"].iter().find_map(|name| params.get(*name)).unwrap_or(&Value::Null),
            ),
            ("url", Some(url)) => Some(Self::confirmation(format!("{message}\n{url}"))),
            _ => None,
        }
    }

    /// Number of questions.
    pub(in crate::agent) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The response to the server: accepted with the content, or declined if the answers do not fill the form.
    pub(in crate::agent) fn response(&self, answers: &[Vec<String>]) -> Value {
        match filled(&self.fields, answers) {
            Some(content) => json!({ "action": "accept", "content": content }),
            None => json!({ "action": "decline" }),
        }
    }
}

/// A field of a form.
#[derive(Debug)]
struct Field {
    name: String,
    kind: FieldKind,
    required: bool,
    /// Names of options, with the values that they stand for.
    values: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    /// The request has no field: whether it is accepted.
    Confirmation,
}

/// The fields of a form and the questions for them.
fn fields(message: &str, schema: &Value) -> Option<(Vec<Field>, Vec<Question>)> {
    let empty = Map::new();
    let properties = match schema.get("properties") {
        None | Some(Value::Null) => &empty,
        Some(properties) => properties.as_object()?,
    };
    if properties.is_empty() {
        return Some((vec![Field::confirmation()], vec![question(message.to_owned(), yes_or_no(), false)]));
    }
    if properties.len() > MAX_QUESTIONS {
        return None;
    }
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let (mut fields, mut questions) = (Vec::new(), Vec::new());
    for (name, property) in properties {
        let text = |key: &str| property.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let kind = match text("type").unwrap_or("string") {
            "integer" => FieldKind::Integer,
            "number" => FieldKind::Number,
            "boolean" => FieldKind::Boolean,
            "array" => FieldKind::List,
            "string" => FieldKind::Text,
            _ => return None,
        };
        let choices = if kind == FieldKind::List { property.get("items").unwrap_or(&Value::Null) } else { property };
        let (shown, values): (Vec<_>, Vec<_>) = options(choices).into_iter().unzip();
        let values = shown.iter().map(|option: &QuestionOption| option.name.clone()).zip(values).collect();
        let shown = if kind == FieldKind::Boolean { yes_or_no() } else { shown };
        let about = text("description").or_else(|| text("title")).unwrap_or(name);
        // Each question is shown on its own, so the first one explains the form.
        let about = if questions.is_empty() && about != message { format!("{message}\n{about}") } else { about.to_owned() };
        questions.push(question(about, shown, kind == FieldKind::List));
        fields.push(Field { name: name.clone(), kind, required: required.contains(&name.as_str()), values });
    }
    Some((fields, questions))
}

fn question(text: String, options: Vec<QuestionOption>, multiple: bool) -> Question {
    Question { text, header: None, options, multiple }
}

fn yes_or_no() -> Vec<QuestionOption> {
    vec!["yes".into(), "no".into()]
}

/// The options of a field with the values that they stand for: `enum`, or `oneOf` or `anyOf` with titles.
fn options(schema: &Value) -> Vec<(QuestionOption, String)> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().filter_map(Value::as_str).map(|value| (value.into(), value.to_owned())).collect();
    }
    let titled = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array());
    let option = |option: &Value| {
        let value = option.get("const")?.as_str()?;
        let text = |key: &str| option.get(key).and_then(Value::as_str).map(str::to_owned);
        let shown =
            QuestionOption { name: text("title").unwrap_or_else(|| value.to_owned()), description: text("description"), preview: None };
        Some((shown, value.to_owned()))
    };
    titled.into_iter().flatten().filter_map(option).collect()
}

/// The content of an accepted form. `None` if the answers do not fill it.
fn filled(fields: &[Field], answers: &[Vec<String>]) -> Option<Value> {
    let mut content = Map::new();
    for (field, answer) in fields.iter().zip(answers) {
        match field.value(answer) {
            Some(value) if field.kind == FieldKind::Confirmation && value != json!(true) => return None,
            Some(_) if field.kind == FieldKind::Confirmation => {}
            Some(value) => {
                content.insert(field.name.clone(), value);
            }
            None if field.required || !answer.is_empty() => return None,
            None => {}
        }
    }
    Some(Value::Object(content))
}

impl Field {
    fn confirmation() -> Self {
        Self { name: String::new(), kind: FieldKind::Confirmation, required: true, values: Vec::new() }
    }

    /// The value of an answer. `None` if there is none, or if it is not of the field's type.
    fn value(&self, answer: &[String]) -> Option<Value> {
        let value_of = |text: &String| self.values.iter().find(|(title, _)| title == text).map_or(text, |(_, value)| value).clone();
        let first = answer.first()?;
        match self.kind {
            FieldKind::Text => Some(json!(value_of(first))),
            FieldKind::Integer => first.trim().parse::<i64>().ok().map(|number| json!(number)),
            FieldKind::Number => first.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| json!(number)),
            FieldKind::Boolean | FieldKind::Confirmation => match first.trim().to_lowercase().as_str() {
                "yes" | "true" | "y" => Some(json!(true)),
                "no" | "false" | "n" => Some(json!(false)),
                _ => None,
            },
            FieldKind::List => Some(json!(answer.iter().map(value_of).collect::<Vec<_>>())),
        }
    }
}
