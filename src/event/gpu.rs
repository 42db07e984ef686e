//! What a GPU is, the quantities that are sampled, and one sample of them.

use std::collections::BTreeMap;

/// Declares each quantity once: its variant, its field of a sample (the name that metrics and reasons use, with
/// the unit) and its label.
macro_rules! quantities {
    ($($(#[$doc:meta])* $variant:ident $field:ident $label:literal;)*) => {
        /// A quantity that is sampled.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum GpuQuantity {
            $($(#[$doc])* $variant,)*
        }

        impl GpuQuantity {
            /// All quantities, in the order in which they are read.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the field, with the unit: `power_watts`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)*
                }
            }

            /// The name in a text: `power`.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }

        /// One reading of one GPU. A quantity that could not be read is `None`, and `unavailable` has the reason.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct GpuSample {
            /// Middle of the time that reading the energy counter took, or all quantities where there is no counter.
            pub at: f64,
            /// The source's index.
            pub index: u32,
            $($(#[$doc])* pub $field: Option<f64>,)*
            /// Whose processes are on the GPU; `None` where they were not looked at, or cannot be told.
            pub processes: Option<GpuProcesses>,
            /// New reasons, by the quantity's name.
            pub unavailable: Vec<(&'static str, String)>,
        }

        impl GpuSample {
            /// The field of a quantity.
            pub fn value_mut(&mut self, quantity: GpuQuantity) -> &mut Option<f64> {
                match quantity {
                    $(GpuQuantity::$variant => &mut self.$field,)*
                }
            }
        }
    };
}

quantities! {
    /// Memory in use, in bytes.
    MemoryUsed memory_used_bytes "memory";
    /// 0 to 1: the share of the source's last sample period in which some kernel ran.
    Utilization utilization_ratio "utilization";
    /// Power draw, in watts.
    Power power_watts "power";
    /// Energy since the driver was loaded, in joules; may reset.
    Energy energy_joules "energy counter";
    /// Temperature of the GPU, in degrees Celsius.
    Temperature temperature_celsius "temperature";
    /// Clock of the streaming multiprocessors, in MHz.
    SmClock sm_clock_mhz "SM clock";
}

/// The compute processes on a GPU at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuProcesses {
    pub of_command: ProcessCount,
    pub of_others: ProcessCount,
}

/// Some processes, and the GPU memory that they use, in bytes, where the source tells it of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessCount {
    pub count: u32,
    pub memory_bytes: Option<u64>,
}

impl Default for ProcessCount {
    fn default() -> Self {
        Self { count: 0, memory_bytes: Some(0) }
    }
}

/// What a GPU is, read once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GpuIdentity {
    /// The source of the readings, as provenance names it: `NVML`.
    pub source: &'static str,
    pub driver_version: Option<String>,
    /// The source's index.
    pub index: u32,
    pub uuid: Option<String>,
    /// The place on the PCI bus: `00000000:1B:00.0`.
    pub pci_bus_id: Option<String>,
    pub name: Option<String>,
    /// UUIDs of the devices that the GPU is divided into.
    pub partition_uuids: Vec<String>,
    pub memory_total_bytes: Option<u64>,
    /// Used memory includes the memory that the driver reserves: the source does not separate them.
    pub reserved_is_used: bool,
    pub power_limit_watts: Option<f64>,
    /// Why this GPU is measured: the flag or variable that named it.
    pub selected_because: String,
    /// Nobody named it: it counts only if the job uses it, where that can be told.
    pub may_be_unused: bool,
    /// Further indices under which the source lists this very GPU.
    pub listed_again: Vec<u32>,
    /// Reasons for facts that could not be read, by the fact's name.
    pub unavailable: BTreeMap<&'static str, String>,
}
