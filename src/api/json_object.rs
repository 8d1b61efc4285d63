//! JSON objects.
//!
//! A derived `Deserialize` also accepts an array of the fields in order, which is undocumented and changes its meaning as soon as a field
//! is added. These functions accept objects only.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Deserializes a `T` from an object.
///
/// # Errors
/// If the value is not an object, or not a valid `T`.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Fields(PhantomData))
}

/// Deserializes a `T` from an object, or its default from null.
///
/// # Errors
/// If the value is neither, or not a valid `T`.
pub(super) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map_or_else(T::default, |Object(value)| value))
}

/// A `T` that is deserialized with [`object`]: for lists, and for fields that may be null.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
