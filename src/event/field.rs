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

/// A field of a set of fields (of [`Progress`](super::Progress) or of [`Facts`](super::Facts)).
pub struct Field<Set: 'static> {
    pub name: &'static str,
    /// The groups that state it, beginning with its own.
    pub groups: &'static [Group],
    pub(super) state: fn(&mut Set, &Value, &str),
    pub(super) number: fn(&Set) -> Option<f64>,
    pub(super) scope: fn(&Set) -> Option<Scope>,
    pub(super) fill: fn(&mut Set, &Set),
}

impl<Set> Field<Set> {
    pub fn kind(&self) -> Kind {
        self.groups.first().map_or(Kind::Text, |group| group.kind)
    }

    /// Puts a value into the set. `label` is a text that was stated together with it.
    pub fn state(&self, set: &mut Set, value: &Value, label: &str) {
        (self.state)(set, value, label);
    }

    /// The number that the set holds; `None` also for a field that is no number.
    pub fn number(&self, set: &Set) -> Option<f64> {
        (self.number)(set)
    }

    /// The scope of the rate that the set holds.
    pub fn scope(&self, set: &Set) -> Option<Scope> {
        (self.scope)(set)
    }

    /// Takes the value from another set if this one has none, or a weaker one.
    pub fn fill(&self, set: &mut Set, other: &Set) {
        (self.fill)(set, other);
    }
}

/// The place of a field in its set.
pub(super) trait Slot {
    fn state(&mut self, value: &Value, label: &str);

    fn fill(&mut self, other: &Self);

    fn number(&self) -> Option<f64> {
        None
    }

    fn scope(&self) -> Option<Scope> {
        None
    }
}

/// A type of values that a slot holds one of.
pub(super) trait Content: Copy {
    fn read(value: &Value) -> Option<Self>;

    fn number(self) -> Option<f64>;

    fn scope(self) -> Option<Scope> {
        None
    }

    /// Whether the value gives way to another one of the same field.
    fn yields_to(self, _other: Self) -> bool {
        false
    }
}

impl<T: Content> Slot for Option<T> {
    /// The latest value counts.
    fn state(&mut self, value: &Value, _: &str) {
        if let Some(new) = T::read(value).filter(|new| !self.is_some_and(|known| new.yields_to(known))) {
            *self = Some(new);
        }
    }

    /// The first value counts.
    fn fill(&mut self, other: &Self) {
        if let Some(other) = other.filter(|other| self.is_none_or(|known| known.yields_to(*other))) {
            *self = Some(other);
        }
    }

    fn number(&self) -> Option<f64> {
        (*self)?.number()
    }

    fn scope(&self) -> Option<Scope> {
        (*self)?.scope()
    }
}

impl Content for f64 {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(stated) => Some(stated.value),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        Some(self)
    }
}

impl Content for u64 {
    fn read(value: &Value) -> Option<Self> {
        f64::read(value).map(|number| number as u64)
    }

    fn number(self) -> Option<f64> {
        Some(self as f64)
    }
}

impl Content for Stated {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(stated) => Some(*stated),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        Some(self.value)
    }

    /// Of two statements of the same value the one that is printed with more digits counts.
    fn yields_to(self, other: Self) -> bool {
        (other.value - self.value).abs() <= self.half_unit && other.half_unit < self.half_unit
    }
}

impl Content for (f64, Scope) {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Rate(rate, scope) => Some((*rate, *scope)),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        Some(self.0)
    }

    fn scope(self) -> Option<Scope> {
        Some(self.1)
    }
}

impl Content for LogTime {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        None
    }

    /// A date or time of day is better than the time since a bar began.
    fn yields_to(self, other: Self) -> bool {
        other.is_timestamp && !self.is_timestamp
    }
}

impl Slot for bool {
    fn state(&mut self, value: &Value, _: &str) {
        *self |= *value == Value::Flag;
    }

    fn fill(&mut self, other: &Self) {
        *self |= other;
    }
}

/// Labels that are told apart, and the length of one: bounded, since a log may repeat anything.
const MOST_LABELS: usize = 4096;
const LONGEST_LABEL: usize = 64;

impl Slot for BTreeMap<String, f64> {
    fn state(&mut self, value: &Value, label: &str) {
        let label: String = label.chars().take(LONGEST_LABEL).collect();
        if let Some(number) = f64::read(value)
            && (self.len() < MOST_LABELS || self.contains_key(&label))
        {
            self.insert(label, number);
        }
    }

    fn fill(&mut self, other: &Self) {
        self.extend(other.clone());
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
                state: |set, value, label| $crate::event::field::Slot::state(&mut set.$slot, value, label),
                number: |set| $crate::event::field::Slot::number(&set.$slot),
                scope: |set| $crate::event::field::Slot::scope(&set.$slot),
                fill: |set, other| $crate::event::field::Slot::fill(&mut set.$slot, &other.$slot),
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
