//! Typed values of a document. Reading one never fails: what is wrong is kept with its place, so that one
//! fault does not hide the next.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;
use toml::value::Datetime;
use zeroize::Zeroizing;

use super::Refusal;
use super::overlay::untyped;

/// A type that a TOML value can be read as. Each implementation overrides what it accepts.
pub trait Value: Sized {
    /// What a fault calls a value of this type, for example `an address`.
    const EXPECTED: &'static str;

    /// Reads a string.
    fn from_text(_: &str) -> Result<Self, Refusal> {
        Err(wrong_type::<Self>("a string"))
    }

    /// Reads an integer.
    fn from_integer(_: i64) -> Result<Self, Refusal> {
        Err(wrong_type::<Self>("an integer"))
    }

    /// Reads a boolean.
    fn from_boolean(_: bool) -> Result<Self, Refusal> {
        Err(wrong_type::<Self>("a boolean"))
    }

    /// Reads a time.
    fn from_datetime(_: Datetime) -> Result<Self, Refusal> {
        Err(wrong_type::<Self>("a time"))
    }

    /// Reads a text that does not say of which type it is: the value of a variable. A list may be one of its elements with
    /// commas between them.
    fn from_untyped(text: &str) -> Result<Self, Refusal> {
        let as_text = match Self::from_text(text) {
            Ok(value) => return Ok(value),
            Err(refusal) => refusal,
        };
        let number = text.parse().ok().and_then(|number| Self::from_integer(number).ok());
        let boolean = || text.parse().ok().and_then(|boolean| Self::from_boolean(boolean).ok());
        let time = || text.parse().ok().and_then(|time| Self::from_datetime(time).ok());
        let list = || match untyped_list(text) {
            Err(refusal) if refusal == wrong_type::<Self>("a list") => None,
            list => Some(list),
        };
        if let Some(value) = number.or_else(boolean).or_else(time) {
            return Ok(value);
        }
        list().unwrap_or(Err(as_text))
    }

    /// Reads a list, element by element.
    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Result<Self, Refusal>, A::Error> {
        Ok(Err(wrong_type::<Self>("a list")))
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_boolean(value: bool) -> Result<Self, Refusal> {
        Ok(value)
    }
}

impl<T: Value> Value for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Result<Self, Refusal>, A::Error> {
        let mut values = Ok(Self::new());
        while let Some(Reading(value)) = list.next_element()? {
            // The first wrong element speaks for the list; the rest is read to its end all the same.
            match (&mut values, value) {
                (Ok(values), Ok(value)) => values.push(value),
                (Ok(_), Err(refusal)) => values = Err(refusal),
                (Err(_), _) => {}
            }
        }
        Ok(values)
    }
}

fn untyped_list<T: Value>(text: &str) -> Result<T, Refusal> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list = T::from_list(SeqDeserializer::<_, serde::de::value::Error>::new(parts));
    list.unwrap_or_else(|_| Err(wrong_type::<T>("something else")))
}

fn wrong_type<T: Value>(found: &str) -> Refusal {
    Refusal::new(format!("expected {}, found {found}", T::EXPECTED), format!("write {}", T::EXPECTED))
}

/// What stands at a key of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Nothing.
    #[default]
    Absent,
    /// A value of the wrong kind.
    Faulty(Refusal, Range<usize>),
    /// A value, and where it stands.
    Read(T, Range<usize>),
}

impl<T> Field<T> {
    /// Where the value stands.
    pub fn start(&self) -> Option<usize> {
        match self {
            Self::Absent => None,
            Self::Faulty(_, span) | Self::Read(_, span) => Some(span.start),
        }
    }
}

impl<'de, T: Value> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Reading<T>>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(match spanned.into_inner().0 {
            Ok(value) => Self::Read(value, span),
            Err(refusal) => Self::Faulty(refusal, span),
        })
    }
}

/// A value, or what is wrong with it.
struct Reading<T>(Result<T, Refusal>);

impl<'de, T: Value> Deserialize<'de> for Reading<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The visitor takes every TOML type; what is left are numbers beyond the range of TOML itself. The
        // error's own text is not used, because it may quote the value.
        let outcome = deserializer.deserialize_any(ValueVisitor(PhantomData));
        Ok(Self(outcome.unwrap_or_else(|_| Err(wrong_type::<T>("a number out of range")))))
    }
}

struct ValueVisitor<T>(PhantomData<T>);

impl<'de, T: Value> Visitor<'de> for ValueVisitor<T> {
    type Value = Result<T, Refusal>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(match untyped(text) {
            Some(text) => T::from_untyped(text),
            None => T::from_text(text),
        })
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Self::Value, E> {
        // A string with escapes is a copy of its own, and it may be a secret.
        self.visit_str(&Zeroizing::new(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::from_integer(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err(wrong_type::<T>("a number with a fraction")))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(T::from_boolean(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        // toml hands a time over as a map of its own kind.
        Ok(match Datetime::deserialize(MapAccessDeserializer::new(map)) {
            Ok(datetime) => T::from_datetime(datetime),
            Err(_) => Err(wrong_type::<T>("a table")),
        })
    }
}
