//! The schemas of the events: one for each type, with its own name and an example.

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, Discriminator, Object, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::words;
use crate::types::{Level, Seq, StreamEvent, Timestamp};

/// An example of each type, one per line: those of `docs/events.md`.
const EXAMPLES: &str = include_str!("events.jsonl");

/// Name of the schema of any event in a log.
const EVENT: &str = "Event";
/// Names of the schemas of the frames that are not in the log.
const GAP: &str = "GapNotice";
const ACCESS_ENDED: &str = "AccessEndedNotice";

/// Name of the schema of a frame.
const FRAME: &str = "EventFrame";

/// The schemas that the stream consists of.
pub(super) const ON_THE_STREAM: [&str; 3] = [EVENT, GAP, ACCESS_ENDED];

/// All schemas of the events.
pub(super) fn components() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = Vec::new();
    StreamEvent::schemas(&mut schemas);
    schemas.extend([named::<Seq>(), named::<Timestamp>(), named::<Level>()]);
    let RefOr::T(Schema::OneOf(events)) = StreamEvent::schema() else { return schemas };
    let (mut any, mut by_type) = (OneOfBuilder::new(), Vec::new());
    for mut event in events.items {
        let RefOr::T(schema) = &mut event else { continue };
        let Some(name) = logged(schema) else { continue };
        let component = component_name(&name);
        let reference = Ref::from_schema_name(component.clone());
        by_type.push((name, reference.ref_location.clone()));
        any = any.item(reference);
        schemas.push((component, event));
    }
    let any = any
        .description(Some("One event of a run's log. Types and fields may be added; clients must ignore unknown ones."))
        .discriminator(Some(Discriminator::with_mapping("type", by_type)));
    schemas.push((EVENT.to_owned(), any.into()));
    schemas.push((GAP.to_owned(), gap().into()));
    schemas.push((ACCESS_ENDED.to_owned(), access_ended().into()));
    schemas.push((FRAME.to_owned(), frame().into()));
    schemas
}

/// The names of all schemas that the events refer to, including their own.
pub(super) fn names(document: &OpenApi) -> BTreeSet<String> {
    super::nulls::reachable(document, ON_THE_STREAM.map(str::to_owned))
}

/// Adds number, time and example to the schema of an event's own fields, and returns the type.
fn logged(schema: &mut Schema) -> Option<String> {
    let (fields, examples) = match schema {
        Schema::Object(object) => (object, None),
        Schema::AllOf(all) => {
            let mut objects = all.items.iter_mut().filter_map(|item| match item {
                RefOr::T(Schema::Object(object)) if object.properties.contains_key("type") => Some(object),
                _ => None,
            });
            (objects.next()?, Some(&mut all.examples))
        }
        _ => return None,
    };
    let name = type_of(fields)?;
    // In the order of the wire.
    let mut own = std::mem::take(&mut fields.properties);
    let kind = own.shift_remove_entry("type");
    fields.properties.extend([
        ("seq".to_owned(), Ref::from_schema_name(Seq::name()).into()),
        ("ts".to_owned(), Ref::from_schema_name(Timestamp::name()).into()),
    ]);
    fields.properties.extend(kind);
    fields.properties.extend(own);
    fields.required.retain(|name| name != "type");
    fields.required.splice(0..0, ["seq", "ts", "type"].map(str::to_owned));
    examples.unwrap_or(&mut fields.examples).extend(example(&name));
    Some(name)
}

/// The only value of the field `type`.
fn type_of(fields: &Object) -> Option<String> {
    let RefOr::T(Schema::Object(kind)) = fields.properties.get("type")? else { return None };
    Some(kind.enum_values.as_ref()?.first()?.as_str()?.to_owned())
}

fn example(name: &str) -> Option<Value> {
    EXAMPLES.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|event| event["type"] == name)
}

/// Converts `run_queued` to `RunQueuedEvent`.
fn component_name(event: &str) -> String {
    let words = event.split('_').map(|word| word.split_at_checked(1).map_or(String::new(), |(first, rest)| first.to_uppercase() + rest));
    words.collect::<String>() + "Event"
}

/// The schema of the notice for a reader whose next event is not in the log.
fn gap() -> Schema {
    let data = ObjectBuilder::new()
        .property("after", number("Number of the last event that the reader has, according to its request."))
        .property("next", number("Number of the next event."))
        .required("after")
        .required("next");
    let description = "The requested number is ahead of the log, or the events after it were trimmed. The notice is not part of the log, so it has no number and no time.";
    reader_notice(description, "gap", data)
}

/// The schema of the notice for a reader who lost access.
fn access_ended() -> Schema {
    let reasons = "`expired`: the token or key has expired. `revoked`: it is no longer valid, or the user was removed. `forbidden`: the user's role has changed.";
    let data = ObjectBuilder::new().property("reason", words(reasons, ["expired", "revoked", "forbidden"].into_iter())).required("reason");
    let description = "The reader lost access, and the stream ends. The notice is not part of the log, so it has no number and no time.";
    reader_notice(description, "access_ended", data)
}

/// The schema of a notice that is not part of the log.
fn reader_notice(description: &str, code: &'static str, data: ObjectBuilder) -> Schema {
    ObjectBuilder::new()
        .description(Some(description))
        .property("type", words("Always `notice`.", ["notice"].into_iter()))
        .property("level", Ref::from_schema_name(Level::name()))
        .property("code", words(&format!("Always `{code}`."), [code].into_iter()))
        .property("message", ObjectBuilder::new().schema_type(Type::String).description(Some("Explanation for people.")))
        .property("data", data)
        .required("type")
        .required("level")
        .required("code")
        .required("message")
        .required("data")
        .into()
}

/// The schema of one frame of the stream, as a parser of server-sent events returns it.
fn frame() -> Schema {
    let text = |what: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(what));
    let inside = ON_THE_STREAM.iter().fold(AnyOfBuilder::new(), |any, name| any.item(Ref::from_schema_name(*name)));
    let data = text("One line of JSON.").content_media_type("application/json").content_schema(Some(Schema::from(inside)));
    ObjectBuilder::new()
        .description(Some("One frame of the stream, as a parser of server-sent events returns it."))
        .property(
            "id",
            text("The event's `seq`; absent for a `GapNotice` and an `AccessEndedNotice`, which are not part of the log.")
                .pattern(Some("^[1-9][0-9]*$")),
        )
        .property("event", text("The event's `type`."))
        .property("data", data)
        .required("event")
        .required("data")
        .into()
}

fn number(what: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(what)).build()
}

fn named<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}
