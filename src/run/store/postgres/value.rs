//! Values of statements with their types, so that a statement takes one round trip and needs no name, also behind a pooler.

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A value to bind.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bool(Option<bool>),
    Blob(Option<Bytes>),
    Texts(Vec<Option<String>>),
    Ints(Vec<Option<i64>>),
    Blobs(Vec<Blob>),
    NullableBlobs(Vec<Option<Blob>>),
}

impl Value {
    pub(super) fn sql_type(&self) -> Type {
        match self {
            Self::Text(_) => Type::TEXT,
            Self::Int(_) => Type::INT8,
            Self::Bool(_) => Type::BOOL,
            Self::Blob(_) => Type::BYTEA,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Ints(_) => Type::INT8_ARRAY,
            Self::Blobs(_) | Self::NullableBlobs(_) => Type::BYTEA_ARRAY,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, of_type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(value) => value.to_sql(of_type, out),
            Self::Int(value) => value.to_sql(of_type, out),
            Self::Bool(value) => value.to_sql(of_type, out),
            Self::Blob(value) => value.as_deref().to_sql(of_type, out),
            Self::Texts(values) => values.to_sql(of_type, out),
            Self::Ints(values) => values.to_sql(of_type, out),
            Self::Blobs(values) => values.to_sql(of_type, out),
            Self::NullableBlobs(values) => values.to_sql(of_type, out),
        }
    }

    fn accepts(_of_type: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Bytes in an array.
#[derive(Clone, Debug)]
pub(super) struct Blob(pub(super) Bytes);

impl ToSql for Blob {
    fn to_sql(&self, _of_type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of_type: &Type) -> bool {
        *of_type == Type::BYTEA
    }

    to_sql_checked!();
}

/// Text as PostgreSQL can store it: without NUL characters.
pub(super) fn text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(text(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        value.map(str::to_owned).into()
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Blob(Some(value))
    }
}

impl From<Option<Bytes>> for Value {
    fn from(value: Option<Bytes>) -> Self {
        Self::Blob(value)
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(value: [u8; N]) -> Self {
        Bytes::copy_from_slice(&value).into()
    }
}

impl From<Vec<String>> for Value {
    fn from(values: Vec<String>) -> Self {
        Self::Texts(values.into_iter().map(|value| Some(text(value))).collect())
    }
}

impl From<Vec<Option<String>>> for Value {
    fn from(values: Vec<Option<String>>) -> Self {
        Self::Texts(values.into_iter().map(|value| value.map(text)).collect())
    }
}

impl From<Vec<i64>> for Value {
    fn from(values: Vec<i64>) -> Self {
        Self::Ints(values.into_iter().map(Some).collect())
    }
}

impl From<Vec<Option<i64>>> for Value {
    fn from(values: Vec<Option<i64>>) -> Self {
        Self::Ints(values)
    }
}

/// A list of values of different types.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::run::store::postgres::value::Value::from($value)),*]
    };
}

pub(super) use values;
