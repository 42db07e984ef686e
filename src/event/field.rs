//! How a field of a log is declared: once, with its name, its kind of text, and its meaning.
//!
//! [`Progress`](super::Progress) and [`Facts`](super::Facts) are declared as lists of fields. The names that
//! rules bind, the values that records take, `parse --events`, the columns of a series and the table of
//! fields in effllm-rules(5) are all made from these lists.

use std::collections::BTreeMap;

use super::{LogTime, Scope};

/// How the text of a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number that is not negative: an iteration.
    Ordinal,
    /// A number that is not negative, with separators and SI suffixes: tokens.
    Count,
    /// A count above zero: a batch size.
    Size,
    /// Any finite number: a loss.
    Number,
    /// A number from 0 to 1.
    Ratio,
    /// A count for each second, of the whole job or of one GPU.
    Rate,
    /// A time above zero, in seconds.
    Duration,
    /// The time since the job or its progress bar began, in seconds.
    Elapsed,
    /// A date, a time of day, or both.
    Timestamp,
    /// Any text.
    Text,
    /// Stated by being there.
    Flag,
}

/// How the number in the text becomes the value of the field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Turn {
    None,
    Times(f64),
    Plus(f64),
    /// A rate becomes a time, or a time a rate.
    Inverse,
}

/// A name that a group of an expression may have to state a field.
#[derive(Debug)]
pub struct Group {
    pub name: &'static str,
    pub kind: Kind,
    pub turn: Turn,
    pub meaning: &'static str,
}

/// A number that a log stated, and how finely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stated {
    pub value: f64,
    /// Half a unit in the last printed place: `0.49` billions is 490e6 ± 5e6. 0 for whole numbers.
    pub half_unit: f64,
}

/// A value that a group stated, in SI units.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Number(Stated),
    /// NaN or infinity, where a number is expected.
    NotFinite,
    Rate(f64, Scope),
    Time(LogTime),
    Text(String),
    Flag,
}

impl Value {
    /// Whether another value of the same field is better: the same number with more digits, or a date
    /// rather than the time since a bar began.
    fn yields_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(this), Self::Number(other)) => {
                (other.value - this.value).abs() <= this.half_unit && other.half_unit < this.half_unit
            }
            (Self::Time(this), Self::Time(other)) => other.is_timestamp && !this.is_timestamp,
            _ => false,
        }
    }
}

/// A field of a set of fields (of [`Progress`](super::Progress) or of [`Facts`](super::Facts)).
pub struct Field<Set: 'static> {
    pub name: &'static str,
    /// The groups that state it, beginning with its own.
    pub groups: &'static [Group],
    pub(super) get: fn(&Set) -> Option<Value>,
    pub(super) set: fn(&mut Set, &Value, &str),
}

impl<Set> Field<Set> {
    pub fn kind(&self) -> Kind {
        self.groups.first().map_or(Kind::Text, |group| group.kind)
    }

    /// Puts a value into the set: the latest one counts. `label` is a text that was stated with it.
    pub fn state(&self, set: &mut Set, value: &Value, label: &str) {
        if !(self.get)(set).is_some_and(|known| value.yields_to(&known)) {
            (self.set)(set, value, label);
        }
    }

    /// Takes the value of another set: the first one counts.
    pub fn fill(&self, set: &mut Set, other: &Set) {
        if let Some(value) = (self.get)(other)
            && (self.get)(set).is_none_or(|known| known.yields_to(&value))
        {
            (self.set)(set, &value, "");
        }
    }

    /// The number that the set holds; `None` also for a field that is no number.
    pub fn number(&self, set: &Set) -> Option<f64> {
        match (self.get)(set)? {
            Value::Number(Stated { value, .. }) | Value::Rate(value, _) => Some(value),
            _ => None,
        }
    }

    /// The scope of the rate that the set holds.
    pub fn scope(&self, set: &Set) -> Option<Scope> {
        match (self.get)(set)? {
            Value::Rate(_, scope) => Some(scope),
            _ => None,
        }
    }
}

/// The place of a field in its set.
pub(super) trait Slot {
    fn get(&self) -> Option<Value>;

    fn set(&mut self, value: &Value, label: &str);
}

/// Slots for one value of a type, with how a value is read from and turned into a [`Value`].
macro_rules! slots {
    ($($type:ty: $value:pat => $read:expr, $held:ident => $get:expr;)+) => {$(
        impl Slot for Option<$type> {
            fn get(&self) -> Option<Value> {
                self.map(|$held| $get)
            }

            fn set(&mut self, value: &Value, _: &str) {
                if let $value = *value {
                    *self = Some($read);
                }
            }
        }
    )+};
}

/// The digits of these numbers are not kept: none yields to another one.
const UNKNOWN: f64 = f64::INFINITY;

slots! {
    f64: Value::Number(number) => number.value, held => Value::Number(Stated { value: held, half_unit: UNKNOWN });
    u64: Value::Number(number) => number.value.round() as u64,
        held => Value::Number(Stated { value: held as f64, half_unit: UNKNOWN });
    Stated: Value::Number(number) => number, held => Value::Number(held);
    (f64, Scope): Value::Rate(rate, scope) => (rate, scope), held => Value::Rate(held.0, held.1);
    LogTime: Value::Time(time) => time, held => Value::Time(held);
}

impl Slot for bool {
    fn get(&self) -> Option<Value> {
        self.then_some(Value::Flag)
    }

    fn set(&mut self, value: &Value, _: &str) {
        *self |= *value == Value::Flag;
    }
}

/// Labels that are kept, and the length of one: bounded, since a log may repeat anything.
const MOST_LABELS: usize = 4096;
const LONGEST_LABEL: usize = 64;

impl Slot for BTreeMap<String, f64> {
    fn get(&self) -> Option<Value> {
        None
    }

    fn set(&mut self, value: &Value, label: &str) {
        let label: String = label.chars().take(LONGEST_LABEL).collect();
        if let Value::Number(number) = value
            && (self.len() < MOST_LABELS || self.contains_key(&label))
        {
            self.insert(label, number.value);
        }
    }
}

/// Declares a set of fields: a struct with a slot for each, and the list of the fields.
///
/// A field is `slot: Type = Kind`, and ` as group` where rules name it otherwise; its doc comment is its
/// meaning in the manual. Braces hold further groups that state the same field in another way.
macro_rules! fields {
    (
        $(#[$about:meta])*
        pub struct $Set:ident, $LIST:ident;

        $(
            $(#[doc = $meaning:literal])+
            $slot:ident: $type:ty = $kind:ident $(as $group:ident)? $({
                $( $(#[doc = $other_meaning:literal])+ $other:ident: $other_kind:ident $(, $turn:ident $($by:literal)?)?; )+
            })?;
        )+

        besides {
            $( $(#[$attribute:meta])* pub $plain:ident: $plain_type:ty, )*
        }
    ) => {
        $(#[$about])*
        pub struct $Set {
            $( $(#[$attribute])* pub $plain: $plain_type, )*
            $( $(#[doc = $meaning])+ pub $slot: $type, )+
        }

        #[doc = concat!("The fields of [`", stringify!($Set), "`], in the order of tables and columns.")]
        pub static $LIST: &[$crate::event::field::Field<$Set>] = &[$(
            $crate::event::field::Field {
                name: stringify!($slot),
                groups: &[
                    $crate::event::field::Group {
                        name: fields!(@name $slot $($group)?),
                        kind: $crate::event::field::Kind::$kind,
                        turn: $crate::event::field::Turn::None,
                        meaning: concat!($($meaning),+),
                    },
                    $($( $crate::event::field::Group {
                        name: stringify!($other),
                        kind: $crate::event::field::Kind::$other_kind,
                        turn: fields!(@turn $($turn $($by)?)?),
                        meaning: concat!($($other_meaning),+),
                    }, )+)?
                ],
                get: |set| $crate::event::field::Slot::get(&set.$slot),
                set: |set, value, label| $crate::event::field::Slot::set(&mut set.$slot, value, label),
            },
        )+];
    };
    (@name $slot:ident) => { stringify!($slot) };
    (@name $slot:ident $group:ident) => { stringify!($group) };
    (@turn) => { $crate::event::field::Turn::None };
    (@turn $turn:ident) => { $crate::event::field::Turn::$turn };
    (@turn $turn:ident $by:literal) => { $crate::event::field::Turn::$turn($by) };
}

pub(super) use fields;
